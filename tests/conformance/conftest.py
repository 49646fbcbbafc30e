"""Every family and runtime that is found, through the registry; a family's nano is trained once a session."""

import pytest

from weighin.core import registry
from weighin.steps.train import train

SEEN = 48  # test examples that most of these tests look at


def pytest_generate_tests(metafunc):
    if "family" in metafunc.fixturenames:
        metafunc.parametrize("family", list(registry.names("families")), indirect=True, scope="session")
    if "runtime" in metafunc.fixturenames:
        metafunc.parametrize("runtime", registry.runtimes())


@pytest.fixture(scope="session")
def family(request):
    return registry.family(request.param)


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("conformance")


@pytest.fixture(scope="session")
def nano(family):
    return family.variant("nano")


@pytest.fixture(scope="session")
def run(family, nano, root):
    return train(family, nano, root=root)


@pytest.fixture(scope="session")
def test_examples(family, nano):
    found = family.examples(nano.recipe.data, "test")
    return [found[i] for i in range(min(SEEN, len(found)))]

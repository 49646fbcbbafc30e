"""The command line, called in this process."""

import sys

import pytest

from weighin import cli


@pytest.fixture
def weighin(monkeypatch, capsys, tmp_path):
    """Calls the command line in this process: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["weighin", *map(str, arguments)])
        try:
            cli.main()
            code = 0
        except SystemExit as ending:
            code = ending.code or 0
        said = capsys.readouterr()
        return code, said.out, said.err

    return call

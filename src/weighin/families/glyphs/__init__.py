"""Which character is this outline, and how small may the model be?"""

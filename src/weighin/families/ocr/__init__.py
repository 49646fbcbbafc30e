"""Reading lines and pages of a script that general OCR reads badly; Odia is the one that is complete."""

"""Commands of the command line, one module each: ``configure`` its parser, ``execute`` it."""

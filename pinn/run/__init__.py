"""One run on disk: the command line, configuration, folder, checkpoints and resume. The only room that knows Hydra."""

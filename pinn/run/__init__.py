"""One run on disk: settings, folder, checkpoints, log, resume; the command line; the only room that knows Hydra."""

"""A second solution of problems on domains that are no boxes: least squares on scattered nodes, from the same text."""

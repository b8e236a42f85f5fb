"""Networks: settings that say how many parameters there are, draw them and apply them to jets or values."""

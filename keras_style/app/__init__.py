"""The app: a page on this machine for every method of the package. It needs the extra `app`."""

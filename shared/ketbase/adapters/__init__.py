"""One module per outside technology; each fulfils a port."""

"""The tests; a package of its own name, because other distributions install one called `tests` as well."""

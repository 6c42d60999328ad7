// Nothing of its own: the programs test_headers and door_test_headers are compiled for their precompiled headers, which the tests share.

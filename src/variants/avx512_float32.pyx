include "../variant.pxi"

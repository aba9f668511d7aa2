"""Build the extension in this folder: python setup.py build_ext --inplace

`cimport fastnn` needs no include folder and no library: Cython finds kernels.pxd in the installed
package, and the extension gets the kernels when it is imported.
"""

from Cython.Build import cythonize
from setuptools import Extension, setup

setup(
    name="policy",
    ext_modules=cythonize([Extension("policy", ["policy.pyx"], extra_compile_args=["-O3"])]),
)

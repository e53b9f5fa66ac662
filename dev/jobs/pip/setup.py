# SPDX-License-Identifier: GPL-2.0-or-later
from setuptools import Extension, setup

setup(name='primes', version='1.0', ext_modules=[Extension('primes', ['primes.c'])])

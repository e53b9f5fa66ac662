/* SPDX-License-Identifier: GPL-2.0-or-later */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

static PyObject *below(PyObject *self, PyObject *arg)
{
    long limit = PyLong_AsLong(arg);
    PyObject *all = PyList_New(0);
    char *composite = limit > 0 ? PyMem_Calloc(limit, 1) : NULL;

    if (!all || !composite) {
        return PyErr_Occurred() ? NULL : PyErr_NoMemory();
    }
    for (long n = 2; n < limit; n++) {
        if (!composite[n]) {
            PyObject *prime = PyLong_FromLong(n);

            PyList_Append(all, prime);
            Py_DECREF(prime);
            for (long i = n * n; i < limit; i += n) {
                composite[i] = 1;
            }
        }
    }
    PyMem_Free(composite);
    return all;
}

static PyMethodDef methods[] = {
    { "below", below, METH_O, NULL },
    { NULL }
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "primes", NULL, -1, methods
};

PyMODINIT_FUNC PyInit_primes(void)
{
    return PyModule_Create(&module);
}

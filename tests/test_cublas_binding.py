"""The binding of NVIDIA's library, where it is installed: that it has what we call, as the tests' stand-in has it. No
card is needed."""

import inspect

import numpy as np
import pytest

pytest.importorskip("nvmath", reason="the binding comes with the cuda13 and cuda12 extras")

from cublas_stand_in import ATTRIBUTES, BIAS, WISHES, StandIn
from nvmath import CudaDataType
from nvmath.bindings import cublas, cublasLt

from minidpt.ops import cublas_cuda

FUNCTIONS = [name for name, member in vars(StandIn).items() if callable(member) and not name.startswith("_")]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_stand_in_takes_what_the_binding_takes(name):
    own = list(inspect.signature(getattr(StandIn, name)).parameters)[1:]
    assert own == list(inspect.signature(getattr(cublasLt, name)).parameters)


def test_numbers_are_the_bindings():
    types, sums = CudaDataType, cublas.ComputeType
    assert (cublas_cuda.FLOAT32, cublas_cuda.BFLOAT16) == (types.CUDA_R_32F, types.CUDA_R_16BF)
    assert (cublas_cuda.COMPUTE_FLOAT32, cublas_cuda.COMPUTE_TF32) == (sums.COMPUTE_32F, sums.COMPUTE_32F_FAST_TF32)
    assert cublas_cuda.TRANSPOSED == cublas.Operation.T
    assert cublasLt.Epilogue.BIAS == BIAS


@pytest.mark.parametrize(
    ("kind", "type_of", "table"),
    [
        (cublasLt.MatmulDescAttribute, cublasLt.get_matmul_desc_attribute_dtype, ATTRIBUTES),
        (cublasLt.MatmulPreferenceAttribute, cublasLt.get_matmul_preference_attribute_dtype, WISHES),
    ],
)
def test_attributes_are_the_bindings(kind, type_of, table):
    for name, (number, dtype) in table.items():
        assert kind[name] == number
        assert np.dtype(type_of(kind[name])) == dtype


def test_an_algorithm_is_kept_whole():
    assert (
        cublasLt.matmul_heuristic_result_dtype["algo"].itemsize
        == StandIn.matmul_heuristic_result_dtype["algo"].itemsize
    )

"""What the machine can do is asked: the flags, the rule for compiling, memory that is kept."""

import resource

import psutil
import pytest
import torch

from utils.runtime import devices

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("fpu avx2 avx512f avx512_bf16", True), ("fpu amx_bf16", True), ("fpu avx512_bf1", False)],
)
def test_bfloat16_is_asked_of_the_processor(monkeypatch, tmp_path, flags, expected):
    (tmp_path / "cpuinfo").write_text(f"processor : 0\nflags\t\t: {flags}\n")
    monkeypatch.setattr(devices, "CPU_FLAGS", tmp_path / "cpuinfo")
    assert devices.has_fast_bfloat16(CPU) is expected
    with devices.mixed_precision(CPU):
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype == (torch.bfloat16 if expected else torch.float32)


def test_a_system_that_does_not_tell_is_taken_not_to(monkeypatch, tmp_path):
    monkeypatch.setattr(devices, "CPU_FLAGS", tmp_path / "missing")
    assert not devices.has_fast_bfloat16(CPU)
    assert not devices.has_fast_bfloat16(torch.device("mps"))


def test_bfloat16_is_asked_of_the_gpu(monkeypatch):
    asked = []
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **how: asked.append(how) or True)
    assert devices.has_fast_bfloat16(GPU) and asked == [{"including_emulation": False}]


@pytest.mark.parametrize("there", [True, False])
def test_a_torch_for_cuda_without_a_gpu_computes_on_the_cpu(monkeypatch, there):
    """As the build is that most people get: it names CUDA as what it was compiled for."""
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda *_, **__: GPU)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: there)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert devices.best_device() == (torch.device("cuda", 1) if there else CPU)


def test_compiling_must_pay_for_itself(monkeypatch):
    monkeypatch.setattr(devices.importlib.util, "find_spec", lambda name: object())
    assert devices.pays_to_compile(GPU, seconds_per_epoch=60, epochs_left=9)
    assert not devices.pays_to_compile(GPU, seconds_per_epoch=3, epochs_left=9)
    assert not devices.pays_to_compile(CPU, seconds_per_epoch=600, epochs_left=9)
    monkeypatch.setattr(devices.importlib.util, "find_spec", lambda name: None)
    assert not devices.pays_to_compile(GPU, seconds_per_epoch=60, epochs_left=9)


def test_room_on_the_device(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1000, 2000))
    assert devices.has_room(GPU, 499) and not devices.has_room(GPU, 501)
    assert devices.has_room(CPU, 10**15)  # it lies there already


def faults_of_large_buffers():
    """Pages that Linux has to clear for ten buffers of 64 MiB, one after the other."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.ones(2**24)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(devices.platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_freed_memory_is_kept():
    devices.keep_freed_memory()
    faults_of_large_buffers()
    assert faults_of_large_buffers() < 2**14  # pages of one buffer; without it ten times that
    kept = psutil.Process().memory_info().rss
    devices.keep_freed_memory()
    assert psutil.Process().memory_info().rss < kept - 2**25  # goes back

"""llama.cpp, through the low-level functions of the package llama-cpp-python: prefill and decode of the Llama-like model.

The KV cache has the model's dtype; weights are the model's own, in its dtype. Its OpenMP threads are PyTorch's where both find
the same libgomp, as they do when llama.cpp is compiled where it runs and PyTorch is loaded first.
"""

from __future__ import annotations

import ctypes
import logging
import tempfile
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from .. import models
from . import gguf_file
from .skipped import Function, SkippedError

TOLERANCE = 0.05
"""Between its result and the model's, relative to the largest value: bf16 is less, another model is of the order of 1."""


def llama_cpp(model: nn.Module, call: models.Call, dtype: str, threads: int) -> Function:
    """Raises SkippedError for a model that is no Llama, and where the result is not the model's; else what llama.cpp reports."""
    kind = model.config.model_type  # type: ignore[union-attr]
    if kind != "llama":
        raise SkippedError(f"only the Llama-like model is written as GGUF, not {kind}")
    ids = call.kwargs["input_ids"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.gguf"
        gguf_file.write(model, path)
        session = Session(path, dtype, threads, len(ids), call.filled + ids.shape[1] + models.HEADROOM)
    if call.filled:
        session.decode(models.tokens(model, call.filled, len(ids)), 0)
    call.rewind()
    error = models.distance(session.decode(ids, call.filled), models.result(model(**call.kwargs)))
    if not error <= TOLERANCE:
        raise SkippedError(f"it computes something else: {error:.2g} of the largest value away")
    return lambda **kwargs: session.decode(kwargs["input_ids"], call.filled)


class Session:
    """A loaded model with a KV cache of `places` for each of `batch` sequences. Raises RuntimeError if it does not load."""

    def __init__(self, path: Path, dtype: str, threads: int, batch: int, places: int) -> None:
        import gguf  # pyright: ignore[reportMissingImports]
        import llama_cpp  # pyright: ignore[reportMissingImports]

        logging.getLogger("llama-cpp-python").setLevel(logging.ERROR)
        self._library: Any = llama_cpp
        llama_cpp.llama_backend_init()
        loading = llama_cpp.llama_model_default_params()
        loading.use_mmap = False  # the file does not stay
        self._model = llama_cpp.llama_model_load_from_file(str(path).encode(), loading)
        if not self._model:
            raise RuntimeError("llama.cpp does not load the model")
        weakref.finalize(self, llama_cpp.llama_model_free, self._model)
        settings = llama_cpp.llama_context_default_params()
        settings.n_ctx = settings.n_batch = batch * places
        settings.n_seq_max = batch
        settings.n_threads = settings.n_threads_batch = threads
        cache = {"fp32": gguf.GGMLQuantizationType.F32, "bf16": gguf.GGMLQuantizationType.BF16}
        settings.type_k = settings.type_v = cache[dtype].value
        if dtype == "fp32":  # its flash attention rounds an fp32 cache to fp16 at every call
            settings.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
        self._context = llama_cpp.llama_init_from_model(self._model, settings)
        if not self._context:
            raise RuntimeError("llama.cpp makes no context for the model")
        weakref.finalize(self, llama_cpp.llama_free, self._context)  # runs before the model's
        self._vocabulary = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self._model))
        self._batches: dict[tuple[tuple[int, ...], int], Any] = {}

    def decode(self, ids: torch.Tensor, filled: int) -> torch.Tensor:
        """Token ids [batch, length] behind the first `filled` tokens of each sequence, which stay; what came later is
        forgotten. Gives the last position's logits, [batch, 1, vocabulary].
        """
        library, length = self._library, ids.shape[1]
        memory = library.llama_get_memory(self._context)
        for sequence in range(len(ids)):
            library.llama_memory_seq_rm(memory, sequence, filled, -1)
        key = tuple(ids.shape), filled
        if key not in self._batches:
            self._batches[key] = self._batch(*key)
        batch, given = self._batches[key], ids.to(torch.int32).contiguous()
        ctypes.memmove(batch.token, given.data_ptr(), given.nbytes)
        status = library.llama_decode(self._context, batch)
        if status:
            raise RuntimeError(f"llama_decode gives {status}")
        last = range(length - 1, ids.numel(), length)
        rows = [library.llama_get_logits_ith(self._context, i) for i in last]
        return torch.from_numpy(np.stack([np.ctypeslib.as_array(row, (self._vocabulary,)) for row in rows]))[:, None]

    def _batch(self, shape: tuple[int, ...], filled: int) -> Any:
        """A llama_batch of so many tokens, without the tokens; freed with the session."""
        sequences, length = shape
        batch = self._library.llama_batch_init(sequences * length, 0, 1)
        weakref.finalize(self, self._library.llama_batch_free, batch)
        batch.n_tokens = sequences * length
        for i in range(batch.n_tokens):
            sequence, place = divmod(i, length)
            batch.pos[i] = filled + place
            batch.n_seq_id[i], batch.seq_id[i][0] = 1, sequence
            batch.logits[i] = place == length - 1
        return batch

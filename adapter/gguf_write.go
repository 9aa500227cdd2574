package adapter

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"lsat/internal/atomicfile"
)

// ggufNames are llama.cpp's names of the projections.
var ggufNames = map[string]string{
	"q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output",
	"gate_proj": "ffn_gate", "up_proj": "ffn_up", "down_proj": "ffn_down",
}

// ggufArchitectures are llama.cpp's names of the model families, and whether its files hold the rows of q and k in the order of interleaved rotary
// embeddings.
var ggufArchitectures = map[string]struct {
	name     string
	permuted bool
}{
	"llama": {"llama", true}, "mistral": {"llama", true},
	"qwen2": {"qwen2", false}, "qwen3": {"qwen3", false}, "gemma3": {"gemma3", false},
}

// ggufAlignment is where tensors start, in bytes.
const ggufAlignment = 32

// The tags of GGUF's types that are written.
const (
	ggufUint32 = 4
	ggufFloat  = 6
	ggufString = 8
	ggufF32    = 0
)

// WriteGGUF writes the adapter for llama.cpp (--lora), as F32. arch is the backbone's family ("llama", "mistral", "qwen2", "qwen3", "gemma3"); heads and
// kvHeads are its attention heads, by which Llama's rows of q and k are reordered. alpha is stored so that llama.cpp's alpha/rank is the
// adapter's scale, also with rsLoRA. A file that is there is replaced, whole or not at all.
func WriteGGUF(path string, a *Adapter, arch string, heads, kvHeads int) error {
	if err := a.Validate(); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	family, ok := ggufArchitectures[arch]
	if !ok {
		return fmt.Errorf("adapter: write %s: architecture %q is %w in GGUF", path, arch, ErrUnsupported)
	}
	type tensor struct {
		name string
		Matrix
	}
	var tensors []tensor
	for _, k := range a.Keys() {
		f, name := a.Layers[k], fmt.Sprintf("blk.%d.%s.weight", k.Layer, ggufNames[k.Module])
		b, err := reorder(f.B, family.permuted, k, heads, kvHeads, true)
		if err != nil {
			return fmt.Errorf("adapter: write %s: %w", path, err)
		}
		tensors = append(tensors, tensor{name + ".lora_a", f.A}, tensor{name + ".lora_b", b})
	}
	var header bytes.Buffer
	le := binary.LittleEndian
	number := func(b []byte) { _, _ = header.Write(b) } // a bytes.Buffer does not fail
	text := func(s string) {
		number(le.AppendUint64(nil, uint64(len(s))))
		_, _ = header.WriteString(s)
	}
	type pair struct {
		key   string
		value any
	}
	pairs := []pair{
		{"general.architecture", family.name},
		{"general.type", "adapter"},
		{"general.file_type", uint32(0)}, // all F32
		{"adapter.type", "lora"},
		{"adapter.lora.alpha", float32(a.Scale() * float64(a.Rank()))},
	}
	if a.Base != "" {
		pairs = append(pairs, pair{"general.base_model.count", uint32(1)}, pair{"general.base_model.0.name", a.Base})
	}
	_, _ = header.WriteString("GGUF")
	number(le.AppendUint32(nil, 3))
	number(le.AppendUint64(nil, uint64(len(tensors))))
	number(le.AppendUint64(nil, uint64(len(pairs))))
	for _, p := range pairs {
		text(p.key)
		switch v := p.value.(type) {
		case string:
			number(le.AppendUint32(nil, ggufString))
			text(v)
		case uint32:
			number(le.AppendUint32(le.AppendUint32(nil, ggufUint32), v))
		case float32:
			number(le.AppendUint32(le.AppendUint32(nil, ggufFloat), math.Float32bits(v)))
		}
	}
	offset := uint64(0)
	for _, t := range tensors {
		text(t.name)
		number(le.AppendUint32(nil, 2))
		number(le.AppendUint64(le.AppendUint64(nil, uint64(t.Cols)), uint64(t.Rows))) // GGUF lists the contiguous axis first
		number(le.AppendUint32(nil, ggufF32))
		number(le.AppendUint64(nil, offset))
		offset += uint64(4*len(t.Data)+ggufAlignment-1) / ggufAlignment * ggufAlignment
	}
	err := atomicfile.Write(path, 0o644, func(w io.Writer) error {
		pad := func(n int) error {
			_, err := w.Write(make([]byte, (ggufAlignment-n%ggufAlignment)%ggufAlignment))
			return err
		}
		if _, err := w.Write(header.Bytes()); err != nil {
			return err
		}
		if err := pad(header.Len()); err != nil {
			return err
		}
		for _, t := range tensors {
			if err := binary.Write(w, le, t.Data); err != nil {
				return err
			}
			if err := pad(4 * len(t.Data)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("adapter: %w", err)
	}
	return nil
}

// reorder brings the rows of a q or k projection's B from Transformers' rotary layout (each head's first half, then its second) into llama.cpp's
// (the halves interleaved), or back. Other projections, and those of families that keep their order, are returned as they are.
func reorder(b Matrix, permuted bool, k Key, heads, kvHeads int, toGGUF bool) (Matrix, error) {
	n := heads
	if k.Module == "k_proj" {
		n = kvHeads
	}
	if !permuted || k.Module != "q_proj" && k.Module != "k_proj" {
		return b, nil
	}
	if n < 1 || b.Rows%n != 0 || b.Rows/n%2 != 0 {
		return Matrix{}, fmt.Errorf("%s: %d rows are not %d heads of even width: %w", k, b.Rows, n, ErrShape)
	}
	out, width := zeros(b.Rows, b.Cols), b.Rows/n
	for row := range b.Rows {
		head, i := row/width, row%width
		// Row i of a head in Transformers' order is element i%(width/2) of half i/(width/2).
		other := head*width + 2*(i%(width/2)) + i/(width/2)
		from, to := row, other
		if !toGGUF {
			from, to = other, row
		}
		copy(out.Data[to*b.Cols:(to+1)*b.Cols], b.Data[from*b.Cols:])
	}
	return out, nil
}

package backbone

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"lsat/internal/gguf"
	"lsat/internal/mmap"
)

// loadGGUF loads a GGUF file. Its tensors stay in the mapped file; those that it holds quantized or in another order are decoded whenever they are
// read.
func loadGGUF(path string) (*source, error) {
	src, f, cfg, err := openGGUF(path)
	if err != nil {
		return nil, err
	}
	w, err := cfg.fromGGUF(path, f)
	if err != nil {
		return nil, errors.Join(err, src.close())
	}
	src.gguf = f
	src.model = &Model{Config: cfg, Weights: w}
	return src, nil
}

// openGGUF maps a file and reads what stands before its tensors.
func openGGUF(path string) (*source, *gguf.File, Config, error) {
	file, err := mmap.Open(path)
	if errors.Is(err, mmap.ErrEmpty) {
		return nil, nil, Config{}, fmt.Errorf("%s: %w: it is empty", path, ErrTruncated)
	}
	if err != nil {
		return nil, nil, Config{}, err
	}
	src := &source{files: []*mmap.File{file}}
	f, err := gguf.Parse(file.Data)
	if err != nil {
		sentinel := ErrFormat
		if errors.Is(err, gguf.ErrTruncated) {
			sentinel = ErrTruncated
		}
		return nil, nil, Config{}, errors.Join(fmt.Errorf("%s: %w: %w", path, sentinel, err), src.close())
	}
	cfg, err := configFromGGUF(f)
	if err != nil {
		return nil, nil, Config{}, errors.Join(fmt.Errorf("%s: %w", path, err), src.close())
	}
	return src, f, cfg, nil
}

// fromGGUF picks the configuration's tensors.
func (c Config) fromGGUF(path string, f *gguf.File) (map[string]Weight, error) {
	out := map[string]Weight{}
	for _, w := range c.tensors(ggufNames()) {
		t, ok := f.Tensors[w.file]
		if !ok {
			return nil, missing(path, w)
		}
		if !slices.Equal(t.Shape, w.shape) {
			return nil, misshapen(path, w, t.Shape)
		}
		if !t.Type.Numeric() {
			return nil, fmt.Errorf("%s: %w: tensor %s of type %s", path, ErrUnsupported, w.file, t.Type)
		}
		heads := c.permutedHeads(w.part)
		plusOne := c.NormPlusOne && len(w.shape) == 1 && isNorm(w)
		dtype, plain := map[gguf.Type]DType{gguf.F32: F32, gguf.F16: F16, gguf.BF16: BF16}[t.Type]
		switch {
		case plain && !plusOne && heads == 0:
			out[w.name] = Weight{DType: dtype, Shape: w.shape, Bytes: t.Data, source: t.Data}
		case plusOne:
			out[w.name] = Weight{DType: F32, Shape: w.shape, source: t.Data, decode: minusOne(t)}
		case len(w.shape) == 1: // a bias; blocks of quantized elements would not end with its rows
			out[w.name] = Weight{DType: F32, Shape: w.shape, source: t.Data, decode: vector(t, heads)}
		default:
			out[w.name] = Weight{DType: F32, Shape: w.shape, source: t.Data, decode: matrix(t, heads)}
		}
	}
	return out, nil
}

func isNorm(w wanted) bool {
	switch w.part {
	case "", "attn_norm", "mlp_norm", "post_attn_norm", "post_mlp_norm", "q_norm", "k_norm":
		return true
	}
	return false
}

// minusOne decodes a Gemma norm: GGUF files hold 1+w, where the model's own files, and Weights, hold w.
func minusOne(t gguf.Tensor) func(from, to int) ([]byte, error) {
	all := vector(t, 0)
	return func(from, to int) ([]byte, error) {
		out, err := all(from, to)
		for i := 0; i < len(out); i += 4 {
			v := math.Float32frombits(binary.LittleEndian.Uint32(out[i:]))
			binary.LittleEndian.PutUint32(out[i:], math.Float32bits(v-1))
		}
		return out, err
	}
}

// permutedHeads is the number of heads whose rows a GGUF file holds in the order of interleaved rotary embeddings, 0 for a tensor that
// is in its own order. Only files of architecture llama (which Mistral's are too) are permuted.
func (c Config) permutedHeads(part string) int {
	if c.Architecture != "llama" {
		return 0
	}
	switch part {
	case "q", "q.bias":
		return c.Heads
	case "k", "k.bias":
		return c.KVHeads
	}
	return 0
}

// rowInFile is where a GGUF Llama file holds row i of q or k: rows 2j and 2j+1 of a head there are its rows j and j+d/2 here.
func rowInFile(i, rows, heads int) int {
	d := rows / heads
	head, in := i/d, i%d
	return head*d + in%(d/2)*2 + in/(d/2)
}

// unpermute brings rows of any element type to the Hugging Face order.
func unpermute(data []byte, rows, heads int) []byte {
	out := make([]byte, 0, len(data))
	size := len(data) / rows
	for i := range rows {
		at := rowInFile(i, rows, heads) * size
		out = append(out, data[at:at+size]...)
	}
	return out
}

// vector decodes a tensor of one axis, whole, in the Hugging Face order where heads are permuted in the file.
func vector(t gguf.Tensor, heads int) func(from, to int) ([]byte, error) {
	return func(from, to int) ([]byte, error) {
		out := make([]byte, 4*t.Elements())
		if err := t.Dequantize(out, 0, t.Elements()); err != nil {
			return nil, err
		}
		if heads > 0 {
			out = unpermute(out, t.Elements(), heads)
		}
		return out[4*from : 4*to], nil
	}
}

// matrix decodes rows of a tensor of two axes, likewise.
func matrix(t gguf.Tensor, heads int) func(from, to int) ([]byte, error) {
	rows := t.Shape[0]
	width := t.Elements() / rows
	return func(from, to int) ([]byte, error) {
		out := make([]byte, 4*(to-from)*width)
		if heads == 0 {
			return out, t.Dequantize(out, from*width, to*width)
		}
		for i := from; i < to; i++ {
			at := rowInFile(i, rows, heads)
			if err := t.Dequantize(out[4*(i-from)*width:4*(i-from+1)*width], at*width, (at+1)*width); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
}

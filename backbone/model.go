package backbone

import (
	"fmt"

	"lsat/internal/mmap"
	"lsat/prompt"
)

// DType is a storage type of weights.
type DType int

// The storage types that a weight can have once read (quantized GGUF blocks are read as F32).
const (
	F32 DType = iota
	BF16
	F16
)

// Size is the number of bytes of an element.
func (d DType) Size() int {
	if d == F32 {
		return 4
	}
	return 2
}

// Weight is one tensor of a model on the host.
type Weight struct {
	DType DType
	Shape []int
	// Bytes are the elements, little-endian and row-major. They may point into a mapped file. Nil for a tensor that its file holds
	// otherwise, quantized or in another order: Rows decodes it.
	Bytes []byte

	source []byte // the mapped file's part that Bytes are, or that decode reads
	decode func(from, to int) ([]byte, error)
}

// Rows returns the elements of rows [from, to) along the first axis, as they would stand in Bytes. What has to be decoded is
// decoded anew in each call, so that it takes memory only while it is read.
func (w Weight) Rows(from, to int) ([]byte, error) {
	if len(w.Shape) == 0 || from < 0 || to < from || to > w.Shape[0] {
		return nil, fmt.Errorf("backbone: rows %d to %d of a weight of shape %v", from, to, w.Shape)
	}
	if w.decode != nil {
		return w.decode(from, to)
	}
	width := len(w.Bytes) / w.Shape[0]
	return w.Bytes[from*width : to*width], nil
}

// Release gives back the memory that reading the weight has taken, where it lies in a mapped file; reading it again reads the
// file. It changes nothing for other weights.
func (w Weight) Release() {
	if w.source != nil {
		mmap.Forget(w.source)
	}
}

// Model is a frozen backbone on the host.
//
// Weights have canonical names, whatever the file called them: "embed" [vocab, hidden], "norm" [hidden], "head"
// [vocab, hidden] (absent when tied), and per layer N "layers.N." + one of "attn_norm", "q", "k", "v" ([out, in], the Hugging
// Face rotary layout), "q.bias", "k.bias", "v.bias", "q_norm", "k_norm", "o", "o.bias", "post_attn_norm", "mlp_norm", "gate", "up",
// "down" (and their ".bias"), "post_mlp_norm".
type Model struct {
	// Name is how the model was asked for; Hash is the SHA-256, in hex, over its configuration and weight files.
	Name, Hash string
	Config     Config
	Weights    map[string]Weight
	Tokenizer  prompt.Tokenizer
	close      func() error
}

// Close releases the mapped files. The model's weights must not be used afterwards.
func (m *Model) Close() error {
	if m == nil || m.close == nil {
		return nil
	}
	return m.close()
}

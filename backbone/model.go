package backbone

import (
	"lsat/internal/mmap"
	"lsat/prompt"
)

// DType is a storage type of weights.
type DType int

// The storage types that a weight can have once loaded (quantized GGUF blocks are dequantized to F32 while loading).
const (
	F32 DType = iota
	BF16
	F16
)

// Weight is one tensor of a model on the host. Bytes are little-endian, row-major, and may point into a mapped file.
type Weight struct {
	DType DType
	Shape []int
	Bytes []byte

	mapped bool // Bytes point into a mapped file
}

// Mapped says whether Bytes point into a mapped file, so that they take memory only while they are read.
func (w Weight) Mapped() bool { return w.mapped }

// Release gives back the memory that reading the weight has taken, where its Bytes point into a mapped file; reading them again reads the
// file. It changes nothing for other weights.
func (w Weight) Release() {
	if w.mapped {
		mmap.Forget(w.Bytes)
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

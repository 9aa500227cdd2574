// Package backbone loads frozen language models (safetensors or GGUF, and the tokenizer beside them) and builds their
// computation graph.
package backbone

// Config is a decoder-only transformer's shape and switches, as one description for every supported family. It is read from
// config.json or from GGUF metadata.
type Config struct {
	// Architecture is the family: "llama", "mistral", "qwen2", "qwen3" or "gemma3".
	Architecture string
	Layers       int
	Hidden       int
	// FFN is the width of the gated feed-forward block.
	FFN      int
	Heads    int
	KVHeads  int
	HeadDim  int
	Vocab    int
	MaxSeq   int
	NormEps  float64
	RopeBase float64
	// RopeLocalBase is the rotary base of sliding-window layers (Gemma 3); 0 means RopeBase.
	RopeLocalBase float64
	// RopeScaling is nil for plain rotary embeddings.
	RopeScaling *RopeScaling
	// Tied says that the output head is the embedding table.
	Tied bool
	// AttentionBias puts a bias on the q, k and v projections (Qwen2); OutputBias on o, MLPBias on the feed-forward block.
	AttentionBias, OutputBias, MLPBias bool
	// QKNorm normalizes each head of q and k before the rotation (Qwen3, Gemma 3).
	QKNorm bool
	// NormPlusOne multiplies by 1+w instead of w in every norm (Gemma).
	NormPlusOne bool
	// PostNorms adds a norm after attention and after the feed-forward block (Gemma 3).
	PostNorms bool
	// EmbeddingScale multiplies the embeddings; 0 means 1 (Gemma: sqrt(hidden), which Transformers rounds to the type of the
	// activations: unrounded in float32).
	EmbeddingScale float64
	// QueryScale multiplies q.k; 0 means 1/sqrt(HeadDim).
	QueryScale float64
	// Activation is "silu" or "gelu_tanh".
	Activation string
	// Sliding is the sliding window's width in tokens; 0 means none. SlidingLayers says which layers use it.
	Sliding       int
	SlidingLayers []bool
	// LogitSoftcap is tanh soft-capping of the output logits; 0 means none.
	LogitSoftcap float64
}

// RopeScaling describes long-context scaling of rotary frequencies. Load fills in Factors for every type, so that a graph needs
// nothing else.
type RopeScaling struct {
	// Type is "linear", "llama3", "yarn", or "factors" where the file itself lists Factors (Llama 3 in GGUF). Type "dynamic" of
	// config.json is no scaling at all within MaxSeq tokens, which is as far as a model is used here.
	Type   string
	Factor float64
	// Factors is what the frequency of each pair of a head's dimensions is divided by, [HeadDim/2].
	Factors []float64
	// LowFreq, HighFreq and Original are llama3's low_freq_factor, high_freq_factor and original_max_position_embeddings.
	LowFreq, HighFreq float64
	Original          int
	// BetaFast, BetaSlow and NoTruncate are yarn's beta_fast (32), beta_slow (1) and truncate (true). Attention multiplies cosines
	// and sines; Config.QueryScale already has its square.
	BetaFast, BetaSlow float64
	NoTruncate         bool
	Attention          float64
}

package tokenizer

import (
	"encoding/json"
	"slices"
)

// GGUF is the tokenizer part of a GGUF file's metadata, as plain values. A pointer is nil where the file has no such key.
type GGUF struct {
	Model      string    // tokenizer.ggml.model: "gpt2" (byte-level BPE) or "llama" (sentencepiece BPE)
	Pre        string    // tokenizer.ggml.pre: how "gpt2" splits text into words
	Tokens     []string  // tokenizer.ggml.tokens, by id
	TokenTypes []int32   // tokenizer.ggml.token_type, by id; nil: all normal
	Merges     []string  // tokenizer.ggml.merges ("gpt2")
	Scores     []float32 // tokenizer.ggml.scores, by id ("llama")

	BOS     *int32 // tokenizer.ggml.bos_token_id
	EOS     *int32 // tokenizer.ggml.eos_token_id
	Unknown *int32 // tokenizer.ggml.unknown_token_id
	AddBOS  *bool  // tokenizer.ggml.add_bos_token; default: true for "llama" and for the pre-tokenizer "llama-bpe"

	AddSpacePrefix        *bool // tokenizer.ggml.add_space_prefix; default true ("llama")
	RemoveExtraWhitespace *bool // tokenizer.ggml.remove_extra_whitespaces; default false ("llama")

	PrecompiledCharsmap []byte // tokenizer.ggml.precompiled_charsmap; default: none ("llama")
}

// Token types in GGUF, the same numbers as in sentencepiece.
const (
	typeNormal      = 1
	typeUnknown     = 2
	typeControl     = 3
	typeUserDefined = 4
	typeUnused      = 5
	typeByte        = 6
)

const (
	llama3Pattern = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	qwen2Pattern  = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

// preRules are a byte-level pre-tokenizer as it would stand in tokenizer.json.
type preRules struct {
	normalizer   any
	digits       bool
	splits       []string
	byteRegex    bool
	ignoreMerges bool
	addBOS       bool
}

// preTokenizers are the values of tokenizer.ggml.pre whose rules are known to be exact.
var preTokenizers = map[string]preRules{
	"smollm":    {digits: true, byteRegex: true},
	"gpt-2":     {byteRegex: true},
	"llama-bpe": {splits: []string{llama3Pattern}, ignoreMerges: true, addBOS: true},
	"llama3":    {splits: []string{llama3Pattern}, ignoreMerges: true, addBOS: true},
	"llama-v3":  {splits: []string{llama3Pattern}, ignoreMerges: true, addBOS: true},
	"smaug-bpe": {splits: []string{llama3Pattern}},
	"qwen2":     {normalizer: component{"type": "NFC"}, splits: []string{qwen2Pattern}},
	"default":   {splits: defaultSplits},
	"":          {splits: defaultSplits},
}

// defaultSplits are what llama.cpp falls back to, one after the other.
var defaultSplits = []string{
	`[\p{P}\$\+<=>\^~\|]+`,
	`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)`,
	`\p{N}+`,
	`[0-9][0-9][0-9]`,
}

type component = map[string]any

// FromGGUF builds the tokenizer that a GGUF file describes. It gives the ids of the tokenizer that the file was converted
// from; where llama.cpp differs from that one (it does not normalize to NFC for Qwen), the original counts.
func FromGGUF(meta GGUF) (*Tokenizer, error) {
	if len(meta.Tokens) == 0 {
		return nil, malformedf("GGUF metadata without tokenizer.ggml.tokens")
	}
	if meta.TokenTypes != nil && len(meta.TokenTypes) != len(meta.Tokens) {
		return nil, malformedf("GGUF metadata with %d tokens and %d token types", len(meta.Tokens), len(meta.TokenTypes))
	}
	switch meta.Model {
	case "gpt2":
		return meta.byteLevel()
	case "llama":
		return meta.sentencePiece()
	}
	return nil, unsupportedf("GGUF tokenizer.ggml.model %q: only gpt2 and llama", meta.Model)
}

func (g *GGUF) tokenType(id int) int32 {
	if g.TokenTypes == nil {
		return typeNormal
	}
	return g.TokenTypes[id]
}

// byteLevel writes the metadata as a tokenizer.json and builds that, so that there is one way to ids.
func (g *GGUF) byteLevel() (*Tokenizer, error) {
	pre, ok := preTokenizers[g.Pre]
	if !ok {
		return nil, unsupportedf("GGUF tokenizer.ggml.pre %q", g.Pre)
	}
	var steps []component
	if pre.digits {
		steps = append(steps, component{"type": "Digits", "individual_digits": true})
	}
	for _, split := range pre.splits {
		steps = append(steps, component{"type": "Split", "pattern": component{"Regex": split}, "behavior": "Isolated", "invert": false})
	}
	steps = append(steps, component{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": pre.byteRegex})

	vocab := make(map[string]int32, len(g.Tokens))
	var added []addedToken
	for id, token := range g.Tokens {
		if _, dup := vocab[token]; dup {
			return nil, malformedf("GGUF tokens %d and %d are both %q", vocab[token], id, token)
		}
		vocab[token] = int32(id)
		switch kind := g.tokenType(id); kind {
		case typeNormal, typeUnused, typeByte:
		case typeControl, typeUnknown, typeUserDefined:
			added = append(added, addedToken{ID: int32(id), Content: token, Special: kind != typeUserDefined})
		default:
			return nil, unsupportedf("GGUF token %d (%q) of type %d", id, token, kind)
		}
	}
	merges := make([][2]string, len(g.Merges))
	for i, m := range g.Merges {
		left, right, ok := cutMerge(m)
		if !ok {
			return nil, malformedf("GGUF merge %d is %q, not a pair", i, m)
		}
		merges[i] = [2]string{left, right}
	}
	file := fileJSON{AddedTokens: added}
	for _, part := range []struct {
		into *json.RawMessage
		from any
	}{
		{&file.Normalizer, pre.normalizer},
		{&file.PreTokenizer, component{"type": "Sequence", "pretokenizers": steps}},
		{&file.Decoder, component{"type": "ByteLevel"}},
		{&file.Model, component{"type": "BPE", "vocab": vocab, "merges": merges, "ignore_merges": pre.ignoreMerges}},
	} {
		raw, err := json.Marshal(part.from)
		if err != nil {
			return nil, err
		}
		*part.into = raw
	}
	return file.build(g.config(pre.addBOS))
}

func (g *GGUF) config(addBOS bool) config {
	if g.AddBOS != nil {
		addBOS = *g.AddBOS
	} else if g.BOS == nil && g.Model == "gpt2" {
		addBOS = false
	}
	return config{addBOS: &addBOS, bosID: g.BOS, eosID: g.EOS}
}

// cutMerge cuts at the space between the two parts; a part may itself begin with a space in no byte-level vocabulary.
func cutMerge(m string) (left, right string, ok bool) {
	at := slices.Index([]byte(m), ' ')
	if at <= 0 || at == len(m)-1 {
		return "", "", false
	}
	return m[:at], m[at+1:], true
}

// sentencePiece writes the metadata as a sentencepiece model.
func (g *GGUF) sentencePiece() (*Tokenizer, error) {
	if len(g.Scores) != len(g.Tokens) {
		return nil, malformedf("GGUF metadata with %d tokens and %d scores", len(g.Tokens), len(g.Scores))
	}
	model := &spModel{
		pieces:  make([]spPiece, len(g.Tokens)),
		trainer: spTrainer{modelType: 2, bos: 1, eos: 2, unkSurface: " \u2047 "},
		normalizer: spNormalizer{
			charsmap:          g.PrecompiledCharsmap,
			addDummyPrefix:    g.AddSpacePrefix == nil || *g.AddSpacePrefix,
			removeExtraSpaces: g.RemoveExtraWhitespace != nil && *g.RemoveExtraWhitespace,
			escapeSpaces:      true,
		},
	}
	bytePieces := 0
	for id, token := range g.Tokens {
		kind := g.tokenType(id)
		if kind == typeByte {
			bytePieces++
		}
		model.pieces[id] = spPiece{text: token, score: g.Scores[id], kind: kind}
	}
	model.trainer.byteFallback = bytePieces == 256
	return newSentencePiece(model, g.config(true))
}

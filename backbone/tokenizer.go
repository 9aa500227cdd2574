package backbone

import (
	"fmt"
	"slices"

	"lsat/internal/gguf"
	"lsat/tokenizer"
)

// attachTokenizer reads the tokenizer of the directory override, if given; else the one in the GGUF file, else the one beside the
// weights. It checks that every id has a row in the embedding.
func (s *source) attachTokenizer(dir, override string) error {
	var (
		tok *tokenizer.Tokenizer
		err error
	)
	where := dir
	switch {
	case override != "":
		where = override
		tok, err = tokenizer.Load(override)
	case s.gguf != nil && s.gguf.Meta["tokenizer.ggml.tokens"] != nil:
		where = s.files[0].Path
		tok, err = tokenizer.FromGGUF(ggufTokenizer(s.gguf))
	default:
		tok, err = tokenizer.Load(dir)
	}
	if err != nil {
		return fmt.Errorf("%s: %w: %w", where, ErrTokenizer, err)
	}
	rows := s.model.Config.Vocab
	if n := tok.VocabSize(); n > rows {
		return fmt.Errorf("%s: %w: it has %d ids, the model's embedding %d rows", where, ErrTokenizer, n, rows)
	}
	if id, ok := tok.BOS(); ok && (id < 0 || int(id) >= rows) {
		return fmt.Errorf("%s: %w: sequences start with id %d, the model's embedding has %d rows", where, ErrTokenizer, id, rows)
	}
	s.model.Tokenizer = tok
	return nil
}

// ggufUnknown is GGUF's token type of the unknown piece.
const ggufUnknown = 2

func ggufTokenizer(f *gguf.File) tokenizer.GGUF {
	const prefix = "tokenizer.ggml."
	g := tokenizer.GGUF{
		Model:                 f.Text(prefix + "model"),
		Pre:                   f.Text(prefix + "pre"),
		BOS:                   tokenID(f, prefix+"bos_token_id"),
		EOS:                   tokenID(f, prefix+"eos_token_id"),
		Unknown:               tokenID(f, prefix+"unknown_token_id"),
		AddBOS:                flag(f, prefix+"add_bos_token"),
		AddSpacePrefix:        flag(f, prefix+"add_space_prefix"),
		RemoveExtraWhitespace: flag(f, prefix+"remove_extra_whitespaces"),
	}
	g.Tokens, _ = f.Meta[prefix+"tokens"].([]string)
	g.Merges, _ = f.Meta[prefix+"merges"].([]string)
	g.Scores, _ = f.Meta[prefix+"scores"].([]float32)
	switch types := f.Meta[prefix+"token_type"].(type) {
	case []int32:
		g.TokenTypes = types
	case []uint32:
		for _, t := range types {
			g.TokenTypes = append(g.TokenTypes, int32(t))
		}
	}
	if u := g.Unknown; g.Model == "llama" && u != nil && int(*u) < len(g.TokenTypes) && !slices.Contains(g.TokenTypes, ggufUnknown) {
		// Converters of Gemma mark the unknown piece as a control token and name it by its id alone.
		g.TokenTypes = slices.Clone(g.TokenTypes)
		g.TokenTypes[*u] = ggufUnknown
	}
	switch m := f.Meta[prefix+"precompiled_charsmap"].(type) {
	case []uint8:
		g.PrecompiledCharsmap = m
	case []int8:
		for _, b := range m {
			g.PrecompiledCharsmap = append(g.PrecompiledCharsmap, byte(b))
		}
	}
	return g
}

func tokenID(f *gguf.File, key string) *int32 {
	v, ok := f.Uint(key)
	if !ok || v > 1<<31-1 {
		return nil
	}
	id := int32(v)
	return &id
}

func flag(f *gguf.File, key string) *bool {
	if b, ok := f.Meta[key].(bool); ok {
		return &b
	}
	return nil
}

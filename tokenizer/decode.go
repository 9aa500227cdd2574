package tokenizer

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
)

// decodeStep turns tokens, as the vocabulary writes them, step by step into text.
type decodeStep func(tokens []string) []string

// buildDecoder reads tokenizer.json's decoder; null joins the tokens with spaces.
func buildDecoder(raw json.RawMessage, r *rules) (decodeStep, error) {
	kind, err := componentType(raw, "decoder")
	if err != nil {
		return nil, err
	}
	switch kind {
	case "":
		return func(tokens []string) []string { return []string{strings.Join(tokens, " ")} }, nil
	case "ByteLevel":
		r.add("decode ByteLevel")
		return func(tokens []string) []string {
			var out []byte
			for _, token := range tokens {
				out = appendByteChars(out, token)
			}
			return []string{toValidUTF8(string(out))}
		}, nil
	case "ByteFallback":
		if err := strict(raw, "decoder", &struct{ Type string }{}); err != nil {
			return nil, err
		}
		r.add("decode ByteFallback")
		return decodeByteTokens, nil
	case "Fuse":
		if err := strict(raw, "decoder", &struct{ Type string }{}); err != nil {
			return nil, err
		}
		r.add("decode Fuse")
		return func(tokens []string) []string { return []string{strings.Join(tokens, "")} }, nil
	case "Replace":
		replace, err := buildReplace(raw, "decoder", r)
		if err != nil {
			return nil, err
		}
		return eachToken(func(_ int, token string) string { return replace(token) }), nil
	case "Strip":
		return buildStripDecoder(raw, r)
	case "Metaspace":
		spec, err := metaspaceSpec(raw, "decoder")
		if err != nil {
			return nil, err
		}
		r.add("decode Metaspace", spec.Replacement, spec.PrependScheme)
		return eachToken(func(i int, token string) string {
			space := " "
			if i == 0 && spec.PrependScheme != "never" {
				space = ""
			}
			return strings.ReplaceAll(token, spec.Replacement, space)
		}), nil
	case "Sequence":
		var spec struct {
			Type     string
			Decoders []json.RawMessage
		}
		if err := strict(raw, "decoder", &spec); err != nil {
			return nil, err
		}
		var steps []decodeStep
		for _, part := range spec.Decoders {
			step, err := buildDecoder(part, r)
			if err != nil {
				return nil, err
			}
			steps = append(steps, step)
		}
		return func(tokens []string) []string {
			for _, step := range steps {
				tokens = step(tokens)
			}
			return tokens
		}, nil
	}
	return nil, unsupportedf("decoder %q", kind)
}

func eachToken(change func(i int, token string) string) decodeStep {
	return func(tokens []string) []string {
		out := make([]string, len(tokens))
		for i, token := range tokens {
			out[i] = change(i, token)
		}
		return out
	}
}

func buildStripDecoder(raw json.RawMessage, r *rules) (decodeStep, error) {
	var spec struct {
		Type        string
		Content     string
		Start, Stop int
	}
	if err := strict(raw, "decoder", &spec); err != nil {
		return nil, err
	}
	if utf8.RuneCountInString(spec.Content) != 1 || spec.Start < 0 || spec.Stop < 0 {
		return nil, malformedf("decoder Strip of %q, %d and %d times", spec.Content, spec.Start, spec.Stop)
	}
	r.add("decode Strip", spec.Content, spec.Start, spec.Stop)
	return eachToken(func(_ int, token string) string {
		for i := 0; i < spec.Start && strings.HasPrefix(token, spec.Content); i++ {
			token = token[len(spec.Content):]
		}
		for i := 0; i < spec.Stop && strings.HasSuffix(token, spec.Content); i++ {
			token = token[:len(token)-len(spec.Content)]
		}
		return token
	}), nil
}

// decodeByteTokens turns runs of "<0x61>" tokens into text; of a run that is not UTF-8 each byte becomes U+FFFD.
func decodeByteTokens(tokens []string) []string {
	var out []string
	var run []byte
	flush := func() {
		if utf8.Valid(run) {
			if len(run) > 0 {
				out = append(out, string(run))
			}
		} else {
			for range run {
				out = append(out, "\uFFFD")
			}
		}
		run = run[:0]
	}
	for _, token := range tokens {
		if b, ok := byteToken(token); ok {
			run = append(run, b)
			continue
		}
		flush()
		out = append(out, token)
	}
	flush()
	return out
}

func byteToken(token string) (byte, bool) {
	if len(token) != 6 || !strings.HasPrefix(token, "<0x") || token[5] != '>' {
		return 0, false
	}
	b, err := strconv.ParseUint(token[3:5], 16, 8)
	return byte(b), err == nil
}

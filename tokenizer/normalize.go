package tokenizer

import (
	"encoding/json"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// normalizer rewrites text before it is split.
type normalizer func(string) string

// rules collects the canonical form of everything that decides about ids, for the hash.
type rules []string

func (r *rules) add(kind string, fields ...any) {
	text, err := json.Marshal(fields)
	if err != nil { // strings, numbers and booleans only
		panic(err)
	}
	*r = append(*r, kind+string(text))
}

type patternJSON struct {
	String *string `json:"String"`
	Regex  *string `json:"Regex"`
}

// compile returns the pattern and what it is, for the rules.
func (p *patternJSON) compile(where string) (*pattern, string, error) {
	switch {
	case p.String != nil && *p.String != "":
		return literalPattern(*p.String), "literal:" + *p.String, nil
	case p.Regex != nil && *p.Regex != "":
		compiled, err := compilePattern(*p.Regex)
		return compiled, "regex:" + *p.Regex, err
	}
	return nil, "", unsupportedf("%s without a pattern", where)
}

// buildNormalizer reads tokenizer.json's normalizer; null changes nothing.
func buildNormalizer(raw json.RawMessage, r *rules) (normalizer, error) {
	kind, err := componentType(raw, "normalizer")
	if err != nil {
		return nil, err
	}
	switch kind {
	case "":
		return func(s string) string { return s }, nil
	case "NFC", "NFD", "NFKC", "NFKD":
		if err := strict(raw, "normalizer", &struct{ Type string }{}); err != nil {
			return nil, err
		}
		r.add(kind)
		return unicodeForm(map[string]norm.Form{"NFC": norm.NFC, "NFD": norm.NFD, "NFKC": norm.NFKC, "NFKD": norm.NFKD}[kind]), nil
	case "Lowercase":
		if err := strict(raw, "normalizer", &struct{ Type string }{}); err != nil {
			return nil, err
		}
		r.add(kind)
		return lowercase, nil
	case "Strip":
		var spec struct {
			Type  string
			Left  bool `json:"strip_left"`
			Right bool `json:"strip_right"`
		}
		if err := strict(raw, "normalizer", &spec); err != nil {
			return nil, err
		}
		r.add(kind, spec.Left, spec.Right)
		return func(s string) string {
			if spec.Left {
				s = strings.TrimLeftFunc(s, isSpace)
			}
			if spec.Right {
				s = strings.TrimRightFunc(s, isSpace)
			}
			return s
		}, nil
	case "Prepend":
		var spec struct{ Type, Prepend string }
		if err := strict(raw, "normalizer", &spec); err != nil {
			return nil, err
		}
		r.add(kind, spec.Prepend)
		return func(s string) string {
			if s == "" {
				return s
			}
			return spec.Prepend + s
		}, nil
	case "Replace":
		replace, err := buildReplace(raw, "normalizer", r)
		return replace, err
	case "Sequence":
		var spec struct {
			Type        string
			Normalizers []json.RawMessage
		}
		if err := strict(raw, "normalizer", &spec); err != nil {
			return nil, err
		}
		var steps []normalizer
		for _, part := range spec.Normalizers {
			step, err := buildNormalizer(part, r)
			if err != nil {
				return nil, err
			}
			steps = append(steps, step)
		}
		return func(s string) string {
			for _, step := range steps {
				s = step(s)
			}
			return s
		}, nil
	}
	return nil, unsupportedf("normalizer %q", kind)
}

// buildReplace serves normalizers and decoders.
func buildReplace(raw json.RawMessage, where string, r *rules) (normalizer, error) {
	var spec struct {
		Type    string
		Pattern patternJSON
		Content string
	}
	if err := strict(raw, where, &spec); err != nil {
		return nil, err
	}
	find, what, err := spec.Pattern.compile(where + " Replace")
	if err != nil {
		return nil, err
	}
	r.add("Replace", what, spec.Content)
	if spec.Pattern.String != nil {
		return func(s string) string { return strings.ReplaceAll(s, *spec.Pattern.String, spec.Content) }, nil
	}
	return func(s string) string {
		var out strings.Builder
		find.each(s, func(from, to int, isMatch bool) {
			if isMatch {
				out.WriteString(spec.Content)
			} else {
				out.WriteString(s[from:to])
			}
		})
		return out.String()
	}, nil
}

// lowercase maps each character by itself, as Rust's char::to_lowercase: no final sigma, and dotted capital I becomes two.
func lowercase(s string) string {
	var out strings.Builder
	for _, c := range s {
		if c == 'İ' {
			out.WriteString("i̇")
			continue
		}
		lower := unicode.ToLower(c)
		for _, r := range laterLower {
			if c >= r[0] && c <= r[1] {
				lower = c + r[2]
			}
		}
		out.WriteRune(lower)
	}
	return out.String()
}

package tokenizer

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// preTokenizer splits pieces into words; added tokens pass through.
type preTokenizer func([]piece) []piece

// emitter takes one part of a split text.
type emitter func(text string, atStart bool)

// eachText makes a preTokenizer of a function that splits one text; empty parts vanish.
// split says of each part whether it stands at the start of the text.
func eachText(split func(p piece, emit emitter)) preTokenizer {
	return func(pieces []piece) []piece {
		out := make([]piece, 0, 2*len(pieces))
		for _, p := range pieces {
			if p.id >= 0 {
				out = append(out, p)
				continue
			}
			split(p, func(text string, atStart bool) {
				if text != "" {
					out = append(out, piece{text: text, id: -1, first: p.first && atStart})
				}
			})
		}
		return out
	}
}

// buildPreTokenizer reads tokenizer.json's pre_tokenizer; null leaves the text whole.
func buildPreTokenizer(raw json.RawMessage, r *rules) (preTokenizer, error) {
	kind, err := componentType(raw, "pre_tokenizer")
	if err != nil {
		return nil, err
	}
	switch kind {
	case "":
		return func(pieces []piece) []piece { return pieces }, nil
	case "ByteLevel":
		return buildByteLevel(raw, r)
	case "Digits":
		var spec struct {
			Type       string
			Individual bool `json:"individual_digits"`
		}
		if err := strict(raw, "pre_tokenizer", &spec); err != nil {
			return nil, err
		}
		r.add("Digits", spec.Individual)
		one := &charset{tables: category("N")}
		digit := &pattern{start: &node{kind: nodeChars, set: one, min: 1, max: 1, next: &node{}}}
		behavior := "Contiguous"
		if spec.Individual {
			behavior = "Isolated"
		}
		return splitBy(digit, behavior, false), nil
	case "Split":
		var spec struct {
			Type     string
			Pattern  patternJSON
			Behavior string
			Invert   bool
		}
		if err := strict(raw, "pre_tokenizer", &spec); err != nil {
			return nil, err
		}
		find, what, err := spec.Pattern.compile("pre_tokenizer Split")
		if err != nil {
			return nil, err
		}
		switch spec.Behavior {
		case "Removed", "Isolated", "Contiguous", "MergedWithPrevious", "MergedWithNext":
		default:
			return nil, unsupportedf("pre_tokenizer Split with behavior %q", spec.Behavior)
		}
		r.add("Split", what, spec.Behavior, spec.Invert)
		return splitBy(find, spec.Behavior, spec.Invert), nil
	case "Metaspace":
		return buildMetaspace(raw, r)
	case "Sequence":
		var spec struct {
			Type          string
			Pretokenizers []json.RawMessage
		}
		if err := strict(raw, "pre_tokenizer", &spec); err != nil {
			return nil, err
		}
		var steps []preTokenizer
		for _, part := range spec.Pretokenizers {
			step, err := buildPreTokenizer(part, r)
			if err != nil {
				return nil, err
			}
			steps = append(steps, step)
		}
		return func(pieces []piece) []piece {
			for _, step := range steps {
				pieces = step(pieces)
			}
			return pieces
		}, nil
	}
	return nil, unsupportedf("pre_tokenizer %q", kind)
}

func buildByteLevel(raw json.RawMessage, r *rules) (preTokenizer, error) {
	spec := struct {
		Type           string
		AddPrefixSpace *bool `json:"add_prefix_space"`
		TrimOffsets    bool  `json:"trim_offsets"` // about offsets, not ids
		UseRegex       *bool `json:"use_regex"`
	}{}
	if err := strict(raw, "pre_tokenizer", &spec); err != nil {
		return nil, err
	}
	if spec.AddPrefixSpace == nil {
		return nil, malformedf("pre_tokenizer ByteLevel without add_prefix_space")
	}
	prefix, useRegex := *spec.AddPrefixSpace, spec.UseRegex == nil || *spec.UseRegex
	r.add("ByteLevel", prefix, useRegex)
	find, err := compilePattern(gpt2Pattern)
	if err != nil {
		return nil, err
	}
	return eachText(func(p piece, emit emitter) {
		text := p.text
		if prefix && !strings.HasPrefix(text, " ") {
			text = " " + text
		}
		if !useRegex {
			emit(toByteChars(text), true)
			return
		}
		find.each(text, func(from, to int, _ bool) { emit(toByteChars(text[from:to]), from == 0) })
	}), nil
}

func buildMetaspace(raw json.RawMessage, r *rules) (preTokenizer, error) {
	spec, err := metaspaceSpec(raw, "pre_tokenizer")
	if err != nil {
		return nil, err
	}
	r.add("Metaspace", spec.Replacement, spec.PrependScheme, *spec.Split)
	find := literalPattern(spec.Replacement)
	return eachText(func(p piece, emit emitter) {
		text := strings.ReplaceAll(p.text, " ", spec.Replacement)
		if spec.PrependScheme == "always" || spec.PrependScheme == "first" && p.first {
			if !strings.HasPrefix(text, spec.Replacement) {
				text = spec.Replacement + text
			}
		}
		if !*spec.Split {
			emit(text, true)
			return
		}
		splitText(find, text, "MergedWithNext", false, emit)
	}), nil
}

type metaspaceJSON struct {
	Type           string
	Replacement    string
	AddPrefixSpace *bool   `json:"add_prefix_space"`
	PrependScheme  string  `json:"prepend_scheme"`
	Split          *bool   `json:"split"`
	StrRep         *string `json:"str_rep"` // written by old versions, ignored by all
}

func metaspaceSpec(raw json.RawMessage, where string) (*metaspaceJSON, error) {
	spec := &metaspaceJSON{PrependScheme: "always"}
	if err := strict(raw, where, spec); err != nil {
		return nil, err
	}
	if utf8.RuneCountInString(spec.Replacement) != 1 {
		return nil, malformedf("%s Metaspace with the replacement %q", where, spec.Replacement)
	}
	if spec.AddPrefixSpace != nil && !*spec.AddPrefixSpace {
		if spec.PrependScheme != "never" && strings.Contains(string(raw), "prepend_scheme") {
			return nil, malformedf("%s Metaspace: add_prefix_space does not match prepend_scheme", where)
		}
		spec.PrependScheme = "never"
	}
	switch spec.PrependScheme {
	case "always", "first", "never":
	default:
		return nil, unsupportedf("%s Metaspace with prepend_scheme %q", where, spec.PrependScheme)
	}
	if spec.Split == nil {
		yes := true
		spec.Split = &yes
	}
	return spec, nil
}

func splitBy(find *pattern, behavior string, invert bool) preTokenizer {
	return eachText(func(p piece, emit emitter) { splitText(find, p.text, behavior, invert, emit) })
}

// splitText cuts text at the matches of find, as Hugging Face's SplitDelimiterBehavior says.
func splitText(find *pattern, text, behavior string, invert bool, emit emitter) {
	type span struct {
		from, to int
		match    bool
	}
	var spans []span
	find.each(text, func(from, to int, isMatch bool) { spans = append(spans, span{from, to, isMatch != invert}) })
	var cut []span
	before := false
	switch behavior {
	case "Isolated":
		cut = spans
	case "Removed":
		for _, s := range spans {
			if !s.match {
				cut = append(cut, s)
			}
		}
	case "Contiguous":
		for _, s := range spans {
			if n := len(cut); s.match == before && n > 0 {
				cut[n-1].to = s.to
			} else {
				cut = append(cut, s)
			}
			before = s.match
		}
	case "MergedWithPrevious":
		for _, s := range spans {
			if n := len(cut); s.match && !before && n > 0 {
				cut[n-1].to = s.to
			} else {
				cut = append(cut, s)
			}
			before = s.match
		}
	case "MergedWithNext":
		// From the right, where the first match of a run takes what follows it.
		for i := len(spans) - 1; i >= 0; i-- {
			s := spans[i]
			if n := len(cut); s.match && !before && n > 0 {
				cut[n-1].from = s.from
			} else {
				cut = append(cut, s)
			}
			before = s.match
		}
		for i := len(cut) - 1; i >= 0; i-- {
			emit(text[cut[i].from:cut[i].to], cut[i].from == 0)
		}
		return
	}
	for _, s := range cut {
		emit(text[s.from:s.to], s.from == 0)
	}
}

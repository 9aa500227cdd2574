package tokenizer

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// fileJSON is tokenizer.json. Truncation and padding belong to a caller's batches, not to the ids of a text.
type fileJSON struct {
	Version       string          `json:"version"`
	Truncation    json.RawMessage `json:"truncation"`
	Padding       json.RawMessage `json:"padding"`
	AddedTokens   []addedToken    `json:"added_tokens"`
	Normalizer    json.RawMessage `json:"normalizer"`
	PreTokenizer  json.RawMessage `json:"pre_tokenizer"`
	PostProcessor json.RawMessage `json:"post_processor"`
	Decoder       json.RawMessage `json:"decoder"`
	Model         json.RawMessage `json:"model"`
}

type modelJSON struct {
	Type          string           `json:"type"`
	Dropout       *float64         `json:"dropout"`
	UnkToken      *string          `json:"unk_token"`
	Prefix        *string          `json:"continuing_subword_prefix"`
	Suffix        *string          `json:"end_of_word_suffix"`
	FuseUnk       bool             `json:"fuse_unk"`
	ByteFallback  bool             `json:"byte_fallback"`
	IgnoreMerges  bool             `json:"ignore_merges"`
	Vocab         map[string]int32 `json:"vocab"`
	Merges        mergesJSON       `json:"merges"`
	CacheCapacity json.RawMessage  `json:"cache_capacity"` // does not decide about ids
}

// mergesJSON is a list of pairs, or, in older files, of pairs joined by a space.
type mergesJSON [][2]string

func (m *mergesJSON) UnmarshalJSON(data []byte) error {
	var items []json.RawMessage
	if err := json.Unmarshal(data, &items); err != nil {
		return err
	}
	*m = make([][2]string, 0, len(items))
	for i, item := range items {
		var parts []string
		if len(item) > 0 && item[0] == '"' {
			var joined string
			if err := json.Unmarshal(item, &joined); err != nil {
				return err
			}
			parts = strings.Split(joined, " ")
		} else if err := json.Unmarshal(item, &parts); err != nil {
			return err
		}
		if len(parts) != 2 {
			return fmt.Errorf("merge %d is %s, not a pair", i, item)
		}
		*m = append(*m, [2]string{parts[0], parts[1]})
	}
	return nil
}

// componentType returns the type of a part of tokenizer.json, "" for null or an absent part.
func componentType(raw json.RawMessage, where string) (string, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return "", nil
	}
	var head struct{ Type string }
	if err := json.Unmarshal(raw, &head); err != nil {
		return "", malformedf("%s: %v", where, err)
	}
	if head.Type == "" {
		return "", malformedf("%s has no type", where)
	}
	return head.Type, nil
}

// strict decodes a part of tokenizer.json, in which every field must be known: one that is not could change the ids.
func strict(raw json.RawMessage, where string, into any) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	if err == nil {
		return nil
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return unsupportedf("%s has the field %s", where, name)
	}
	return malformedf("%s: %v", where, err)
}

// pipeline is Hugging Face's way from text to ids: added tokens, normalizer, pre-tokenizer, model.
type pipeline struct {
	added     *addedTokens
	normalize normalizer
	split     preTokenizer
	model     *bpe
	decoder   decodeStep
	tokens    []string // by id; "" where there is none
	known     []bool
}

func (p *pipeline) encode(dst []int32, text string, special bool) []int32 {
	raw := p.added.split(nil, piece{text: text, id: -1, first: true}, p.added.raw, special)
	pieces := make([]piece, 0, len(raw))
	for _, part := range raw {
		if part.id >= 0 {
			pieces = append(pieces, part)
			continue
		}
		part.text = p.normalize(part.text)
		pieces = p.added.split(pieces, part, p.added.normalized, special)
	}
	for _, part := range p.split(pieces) {
		if part.id >= 0 {
			dst = append(dst, part.id)
		} else {
			dst = p.model.encode(dst, part.text)
		}
	}
	return dst
}

func (p *pipeline) decode(ids []int32) string {
	tokens := make([]string, 0, len(ids))
	for _, id := range ids {
		if id < 0 || int(id) >= len(p.tokens) || !p.known[id] {
			continue
		}
		tokens = append(tokens, p.tokens[id])
	}
	return strings.Join(p.decoder(tokens), "")
}

// FromJSON reads a Hugging Face tokenizer.json whose model is BPE. Its post-processor tells BOS; EOS is unknown to it.
func FromJSON(data []byte) (*Tokenizer, error) {
	var file fileJSON
	if err := strict(data, "tokenizer.json", &file); err != nil {
		return nil, err
	}
	return file.build(config{})
}

func (f *fileJSON) build(conf config) (*Tokenizer, error) {
	if f.Version != "" && f.Version != "1.0" {
		return nil, unsupportedf("tokenizer.json version %q", f.Version)
	}
	model, r, err := f.buildModel()
	if err != nil {
		return nil, err
	}
	p := &pipeline{model: model}
	if p.normalize, err = buildNormalizer(f.Normalizer, r); err != nil {
		return nil, err
	}
	if p.split, err = buildPreTokenizer(f.PreTokenizer, r); err != nil {
		return nil, err
	}
	if p.decoder, err = buildDecoder(f.Decoder, r); err != nil {
		return nil, err
	}
	if p.added, err = newAddedTokens(f.AddedTokens, p.normalize); err != nil {
		return nil, err
	}
	t := &Tokenizer{codec: p, ids: maps.Clone(model.vocab)}
	for _, a := range f.AddedTokens {
		if id, ok := model.vocab[a.Content]; ok && id != a.ID {
			return nil, malformedf("added token %q has the id %d, and %d in the vocabulary", a.Content, a.ID, id)
		}
		t.ids[a.Content] = a.ID
		if a.ID < 0 {
			return nil, malformedf("added token %q has the id %d", a.Content, a.ID)
		}
	}
	if err := p.list(t); err != nil {
		return nil, err
	}
	if err := f.markers(t, conf); err != nil {
		return nil, err
	}
	t.hash = f.digest(t, *r)
	return t, nil
}

func (f *fileJSON) buildModel() (*bpe, *rules, error) {
	kind, err := componentType(f.Model, "model")
	if err != nil && !errors.Is(err, ErrMalformed) {
		return nil, nil, err
	}
	// Files from before the field existed have no type; strict below rejects what is not BPE's.
	if kind != "BPE" && (kind != "" || len(f.Model) == 0) {
		return nil, nil, unsupportedf("model %q: only BPE", kind)
	}
	var spec modelJSON
	if err := strict(f.Model, "model", &spec); err != nil {
		return nil, nil, err
	}
	switch {
	case len(spec.Vocab) == 0:
		return nil, nil, malformedf("model without a vocabulary")
	case spec.Dropout != nil && *spec.Dropout != 0:
		return nil, nil, unsupportedf("model with dropout %v: its ids are random", *spec.Dropout)
	case spec.Prefix != nil && *spec.Prefix != "":
		return nil, nil, unsupportedf("model with continuing_subword_prefix %q", *spec.Prefix)
	case spec.Suffix != nil && *spec.Suffix != "":
		return nil, nil, unsupportedf("model with end_of_word_suffix %q", *spec.Suffix)
	}
	m, err := newBPE(spec.Vocab, spec.Merges)
	if err != nil {
		return nil, nil, err
	}
	m.byteFallback, m.fuseUnk, m.ignoreMerges = spec.ByteFallback, spec.FuseUnk, spec.IgnoreMerges
	if spec.UnkToken != nil {
		id, ok := spec.Vocab[*spec.UnkToken]
		if ok {
			m.unk = id
		} else if !hasByteAlphabet(spec.Vocab) {
			return nil, nil, malformedf("unk_token %q is not in the vocabulary", *spec.UnkToken)
		}
	}
	r := &rules{}
	r.add("BPE", m.unk, m.fuseUnk, m.byteFallback, m.ignoreMerges)
	for _, pair := range spec.Merges {
		r.add("m", pair[0], pair[1])
	}
	return m, r, nil
}

// hasByteAlphabet says that no byte-level text can have an unknown character.
func hasByteAlphabet(vocab map[string]int32) bool {
	for _, char := range byteChars {
		if _, ok := vocab[char]; !ok {
			return false
		}
	}
	return true
}

// maxVocab is far beyond every model: a larger id is damage, and would cost memory.
const maxVocab = 1 << 24

// list fills the table from ids to tokens.
func (p *pipeline) list(t *Tokenizer) error {
	for token, id := range t.ids {
		if id < 0 || id >= maxVocab {
			return malformedf("token %q has the id %d", token, id)
		}
		t.size = max(t.size, int(id)+1)
	}
	p.tokens, p.known = make([]string, t.size), make([]bool, t.size)
	for token, id := range p.model.vocab {
		if p.known[id] {
			return malformedf("tokens %q and %q have the same id %d", p.tokens[id], token, id)
		}
		p.tokens[id], p.known[id] = token, true
	}
	for id, a := range p.added.byID {
		p.tokens[id], p.known[id] = a.Content, true
		if form, ok := p.added.shown[id]; ok {
			p.tokens[id] = form
		}
	}
	return nil
}

// digest hashes the vocabulary in the order of ids, and the rules.
func (f *fileJSON) digest(t *Tokenizer, r rules) string {
	added := slices.Clone(f.AddedTokens)
	slices.SortFunc(added, func(a, b addedToken) int { return int(a.ID - b.ID) })
	for _, a := range added {
		r.add("added", a.ID, a.Content, a.SingleWord, a.LStrip, a.RStrip, a.Normalized, a.Special)
	}
	return hashRules(t, r)
}

// hashRules adds the vocabulary and the markers to the rules.
func hashRules(t *Tokenizer, r rules) string {
	byID := make([]string, 0, len(t.ids))
	for token := range t.ids {
		byID = append(byID, token)
	}
	slices.SortFunc(byID, func(a, b string) int {
		if t.ids[a] != t.ids[b] {
			return int(t.ids[a] - t.ids[b])
		}
		return strings.Compare(a, b)
	})
	h := sha256.New()
	var line []byte
	write := func(format string, args ...any) {
		line = fmt.Appendf(line[:0], format, args...)
		h.Write(line)
	}
	for _, rule := range r {
		write("%s\n", rule)
	}
	for _, token := range byID {
		write("%d %q\n", t.ids[token], token)
	}
	bos, add := t.BOS()
	eos, _ := t.EOS()
	write("bos %d %t eos %d\n", bos, add, eos)
	return hex.EncodeToString(h.Sum(nil))
}

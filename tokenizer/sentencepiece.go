package tokenizer

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"
)

// metaspace is U+2581, which sentencepiece writes for a space.
const metaspace = "▁"

// sentencePiece is sentencepiece's BPE: of all adjacent symbols whose union is a piece, the one with the best score is joined
// first, from left to right among equals.
type sentencePiece struct {
	model     *spModel
	normal    map[string]int32 // pieces that text can become: normal, user-defined, unused
	user      *trie            // user-defined pieces: found first, never split or joined
	controls  *trie            // control and unknown pieces, for trusted text
	bytes     [256]int32
	charsmap  *charsmap
	spaceMark string
	cache     wordCache
}

// FromSentencePiece reads a sentencepiece tokenizer.model of type BPE. As for Llama, the model wants the BOS token at the
// start of every sequence if the file has one; Load reads the files that may say otherwise.
func FromSentencePiece(data []byte) (*Tokenizer, error) { return fromSentencePiece(data, config{}) }

func fromSentencePiece(data []byte, conf config) (*Tokenizer, error) {
	model, err := parseSentencePiece(data)
	if err != nil {
		return nil, err
	}
	return newSentencePiece(model, conf)
}

func newSentencePiece(model *spModel, conf config) (*Tokenizer, error) {
	if len(model.pieces) == 0 {
		return nil, malformedf("sentencepiece model without pieces")
	}
	if kind := model.trainer.modelType; kind != 2 {
		return nil, unsupportedf("sentencepiece model of type %d: only BPE (2)", kind)
	}
	if model.trainer.wsAsSuffix {
		return nil, unsupportedf("sentencepiece model with treat_whitespace_as_suffix")
	}
	if len(model.denormalizer) > 0 {
		return nil, unsupportedf("sentencepiece model with a denormalizer")
	}
	s := &sentencePiece{model: model, normal: make(map[string]int32, len(model.pieces)), user: newTrie(), controls: newTrie(), spaceMark: " "}
	if model.normalizer.escapeSpaces {
		s.spaceMark = metaspace
	}
	var err error
	if s.charsmap, err = parseCharsmap(model.normalizer.charsmap); err != nil {
		return nil, err
	}
	t := &Tokenizer{codec: s, ids: make(map[string]int32, len(model.pieces)), size: len(model.pieces)}
	if err := s.index(t); err != nil {
		return nil, err
	}
	if conf.bos == "" && conf.bosID == nil && model.trainer.bos >= 0 {
		conf.bosID = &model.trainer.bos
	}
	if conf.eos == "" && conf.eosID == nil && model.trainer.eos >= 0 {
		conf.eosID = &model.trainer.eos
	}
	if t.bos, err = t.resolve("bos", conf.bos, conf.bosID); err != nil {
		return nil, err
	}
	if t.eos, err = t.resolve("eos", conf.eos, conf.eosID); err != nil {
		return nil, err
	}
	t.bos.add = t.bos.known && (conf.addBOS == nil || *conf.addBOS)
	t.hash = hashRules(t, s.rules())
	return t, nil
}

// index sorts the pieces by what they do.
func (s *sentencePiece) index(t *Tokenizer) error {
	for b := range s.bytes {
		s.bytes[b] = -1
	}
	unknown := -1
	for i, p := range s.model.pieces {
		id := int32(i)
		if have, dup := t.ids[p.text]; dup || p.text == "" {
			return malformedf("sentencepiece piece %d (%q) is empty or the same as piece %d", i, p.text, have)
		}
		t.ids[p.text] = id
		switch p.kind {
		case typeNormal, typeUnused:
			s.normal[p.text] = id
		case typeUserDefined:
			s.normal[p.text] = id
			s.user.add(p.text, id)
		case typeControl:
			s.controls.add(p.text, id)
		case typeUnknown:
			if unknown >= 0 {
				return malformedf("sentencepiece pieces %d and %d are both the unknown one", unknown, i)
			}
			unknown = i
			s.controls.add(p.text, id)
		case typeByte:
			b, ok := byteToken(p.text)
			if !ok {
				return malformedf("sentencepiece byte piece %d is %q", i, p.text)
			}
			s.bytes[b] = id
		default:
			return unsupportedf("sentencepiece piece %d (%q) of type %d", i, p.text, p.kind)
		}
	}
	if s.model.trainer.byteFallback {
		for b, id := range s.bytes {
			if id < 0 {
				return malformedf("sentencepiece model with byte_fallback has no piece for the byte <0x%02X>", b)
			}
		}
	}
	if unknown < 0 {
		return malformedf("sentencepiece model without an unknown piece")
	}
	s.model.trainer.unk = int32(unknown)
	return nil
}

func (s *sentencePiece) rules() rules {
	var r rules
	n, tr := s.model.normalizer, s.model.trainer
	r.add("sentencepiece BPE", tr.byteFallback, tr.unk, tr.unkSurface, n.addDummyPrefix, n.removeExtraSpaces, n.escapeSpaces, hex.EncodeToString(n.charsmap))
	for _, p := range s.model.pieces {
		r.add("p", p.kind, fmt.Sprint(p.score))
	}
	return r
}

func (s *sentencePiece) encode(dst []int32, text string, special bool) []int32 {
	if !special {
		return s.encodePart(dst, text)
	}
	from := 0
	for i := 0; i < len(text); {
		id, length := s.controls.longest(text[i:])
		if id < 0 {
			i++
			continue
		}
		dst = append(s.encodePart(dst, text[from:i]), id)
		i += length
		from = i
	}
	return s.encodePart(dst, text[from:])
}

func (s *sentencePiece) encodePart(dst []int32, text string) []int32 {
	if ids, ok := s.cache.get(text); ok {
		return append(dst, ids...)
	}
	ids := s.join(s.normalize(text))
	s.cache.put(text, ids)
	return append(dst, ids...)
}

// prefix returns the normal form of the first character or mapped string of text, and how much of text it stands for.
func (s *sentencePiece) prefix(text string) (string, int) {
	if _, length := s.user.longest(text); length > 0 {
		return text[:length], length
	}
	if s.charsmap != nil {
		if replacement, length := s.charsmap.longest(text); length > 0 {
			return replacement, length
		}
	}
	_, width := utf8.DecodeRuneInString(text)
	return text[:width], width
}

// normalize is sentencepiece's Normalizer::Normalize.
func (s *sentencePiece) normalize(text string) string {
	n := s.model.normalizer
	if n.removeExtraSpaces {
		for text != "" {
			form, length := s.prefix(text)
			if form != " " {
				break
			}
			text = text[length:]
		}
	}
	if text == "" {
		return ""
	}
	var out []byte
	if n.addDummyPrefix {
		out = append(out, s.spaceMark...)
	}
	afterSpace := n.removeExtraSpaces
	for text != "" {
		form, length := s.prefix(text)
		text = text[length:]
		if afterSpace {
			form = strings.TrimLeft(form, " ")
		}
		if form != "" {
			out = append(out, strings.ReplaceAll(form, " ", s.spaceMark)...)
			afterSpace = n.removeExtraSpaces && strings.HasSuffix(form, " ")
		}
	}
	if n.removeExtraSpaces {
		for bytes.HasSuffix(out, []byte(s.spaceMark)) {
			out = out[:len(out)-len(s.spaceMark)]
		}
	}
	return string(out)
}

// symbol is a part of the text while pieces are joined: text[from:to], nothing where from == to.
type symbol struct {
	from, to   int
	prev, next int32
	frozen     bool
}

// join is sentencepiece's bpe::Model::Encode.
func (s *sentencePiece) join(text string) []int32 {
	var symbols []symbol
	for at := 0; at < len(text); {
		_, length := s.user.longest(text[at:])
		frozen := length > 0
		if !frozen {
			_, length = utf8.DecodeRuneInString(text[at:])
		}
		n := int32(len(symbols))
		symbols = append(symbols, symbol{from: at, to: at + length, prev: n - 1, next: n + 1, frozen: frozen})
		at += length
	}
	if len(symbols) == 0 {
		return nil
	}
	symbols[len(symbols)-1].next = -1
	var queue mergeQueue
	split := map[string]int{} // where unused pieces were joined: they come apart again
	offer := func(left, right int32) {
		if left < 0 || right < 0 || symbols[left].frozen || symbols[right].frozen {
			return
		}
		joint := text[symbols[left].from:symbols[right].to]
		id, ok := s.normal[joint]
		if !ok {
			return
		}
		queue.push(merge{order: -float64(s.model.pieces[id].score), left: left, check: int32(len(joint))})
		if s.model.pieces[id].kind == typeUnused {
			split[joint] = symbols[left].to - symbols[left].from
		}
	}
	for i := 1; i < len(symbols); i++ {
		offer(int32(i-1), int32(i))
	}
	for len(queue) > 0 {
		top := queue.pop()
		left := &symbols[top.left]
		if left.from == left.to || left.next < 0 {
			continue
		}
		right := &symbols[left.next]
		if right.to-left.from != int(top.check) {
			continue
		}
		left.to, right.from = right.to, right.to
		left.next = right.next
		if left.next >= 0 {
			symbols[left.next].prev = top.left
		}
		offer(left.prev, top.left)
		offer(top.left, left.next)
	}
	out := make([]int32, 0, len(symbols))
	unknown := false // the last id is the unknown one: runs of it are one
	for i := int32(0); i >= 0; i = symbols[i].next {
		out, unknown = s.emit(out, text[symbols[i].from:symbols[i].to], split, unknown)
	}
	return out
}

// emit appends the ids of one joined symbol.
func (s *sentencePiece) emit(out []int32, text string, split map[string]int, unknown bool) ([]int32, bool) {
	id, ok := s.normal[text]
	switch {
	case ok && s.model.pieces[id].kind == typeUnused:
		if at, ok := split[text]; ok {
			out, unknown = s.emit(out, text[:at], split, unknown)
			return s.emit(out, text[at:], split, unknown)
		}
		return append(out, id), false
	case ok:
		return append(out, id), false
	case s.model.trainer.byteFallback:
		for _, b := range []byte(text) {
			out = append(out, s.bytes[b])
		}
		return out, false
	case unknown:
		return out, true
	}
	return append(out, s.model.trainer.unk), true
}

// decode is sentencepiece's SentencePieceProcessor::Decode.
func (s *sentencePiece) decode(ids []int32) string {
	n := s.model.normalizer
	var out, run []byte
	begin, cut := true, false
	for _, id := range ids {
		if id < 0 || int(id) >= len(s.model.pieces) {
			continue
		}
		p := s.model.pieces[id]
		if p.kind == typeByte {
			b, _ := byteToken(p.text)
			run = append(run, b)
			continue
		}
		out, run = appendLossy(out, run), run[:0]
		if cut || len(out) > 0 {
			begin = false
		}
		switch p.kind {
		case typeControl:
		case typeUnknown:
			out = append(out, s.model.trainer.unkSurface...)
		default:
			text := p.text
			if begin && (n.addDummyPrefix || n.removeExtraSpaces) {
				text, cut = strings.CutPrefix(text, metaspace)
				// Where extra spaces are removed, all at the start vanish, not only the first.
				cut = cut && !n.removeExtraSpaces
			}
			out = append(out, strings.ReplaceAll(text, metaspace, " ")...)
		}
	}
	return string(appendLossy(out, run))
}

// appendLossy appends bytes as text; each byte that is no part of UTF-8 becomes U+FFFD.
func appendLossy(out, run []byte) []byte {
	for len(run) > 0 {
		r, width := utf8.DecodeRune(run)
		out = utf8.AppendRune(out, r)
		run = run[width:]
	}
	return out
}

package tokenizer

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// addedToken is an entry of tokenizer.json's added_tokens: it is found in the text before the model sees it.
type addedToken struct {
	ID         int32  `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	LStrip     bool   `json:"lstrip"`
	RStrip     bool   `json:"rstrip"`
	Normalized bool   `json:"normalized"`
	Special    bool   `json:"special"`
}

// piece is a part of the text on its way to ids.
type piece struct {
	text string
	// id is that of an added token, or -1: the text is still to be encoded.
	id int32
	// first says that the piece begins where the text begins.
	first bool
}

// addedTokens finds added tokens: the raw ones in the text as it is, the normalized ones after normalization.
type addedTokens struct {
	byID            map[int32]addedToken
	special         map[string]bool
	raw, normalized *trie
	// shown holds the normalized form of tokens that normalization changes: that is what decoding starts from.
	shown map[int32]string
}

func newAddedTokens(tokens []addedToken, normalize normalizer) (*addedTokens, error) {
	a := &addedTokens{byID: make(map[int32]addedToken, len(tokens)), special: map[string]bool{}, raw: newTrie(),
		normalized: newTrie(), shown: map[int32]string{}}
	for _, t := range tokens {
		if _, dup := a.byID[t.ID]; dup {
			return nil, malformedf("two added tokens have the id %d", t.ID)
		}
		a.byID[t.ID] = t
		if t.Special {
			a.special[t.Content] = true
		}
		form, into := t.Content, a.raw
		if t.Normalized {
			into = a.normalized
			if form = normalize(t.Content); form != t.Content {
				a.shown[t.ID] = form
			}
		}
		if form == "" || !into.add(form, t.ID) {
			return nil, malformedf("added token %q (id %d) is empty or the same as another", t.Content, t.ID)
		}
	}
	return a, nil
}

// split appends the parts of p to dst: leftmost-longest added tokens, and what lies between them.
func (a *addedTokens) split(dst []piece, p piece, find *trie, special bool) []piece {
	s, from := p.text, 0
	text := func(to int) {
		if from < to {
			dst = append(dst, piece{text: s[from:to], id: -1, first: p.first && from == 0})
		}
	}
	for i := 0; i < len(s) && find.next != nil; {
		id, length := find.longest(s[i:])
		if id < 0 {
			i++
			continue
		}
		start, stop := i, i+length
		i = stop // also after a match that is then refused, as in Hugging Face's tokenizers
		token := a.byID[id]
		if !special && a.special[token.Content] {
			continue
		}
		if token.SingleWord && (endsWithWord(s[:start]) || startsWithWord(s[stop:])) {
			continue
		}
		if token.LStrip {
			start = max(from, len(strings.TrimRightFunc(s[:start], isSpace)))
		}
		if token.RStrip {
			stop = len(s) - len(strings.TrimLeftFunc(s[stop:], isSpace))
		}
		text(start)
		dst = append(dst, piece{id: id})
		from = stop
	}
	text(len(s))
	return dst
}

func isSpace(r rune) bool { return unicode.Is(whiteSpace, r) }

func endsWithWord(s string) bool {
	r, width := utf8.DecodeLastRuneInString(s)
	return width > 0 && unicode.In(r, boundaryTables...)
}

func startsWithWord(s string) bool {
	r, width := utf8.DecodeRuneInString(s)
	return width > 0 && unicode.In(r, boundaryTables...)
}

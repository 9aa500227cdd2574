package randommodel

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// tokenizerJSON is a byte-level tokenizer: of single bytes, and of the given words, in letters of ASCII, each one token behind a space. It is
// filled up to the vocabulary with words that no text has.
func tokenizerJSON(vocab int, words []string) ([]byte, error) {
	ids := map[string]int{"<unk>": 0, "<s>": 1, "</s>": 2}
	next := len(ids)
	// The alphabet of byte-level tokenizers: printable bytes stand for themselves, the others for the characters from 256 on.
	other, space := rune(256), ""
	for b := range rune(256) {
		char := b
		if printable := b > ' ' && b <= '~' || b >= 0xA1 && b <= 0xFF && b != 0xAD; !printable {
			char = other
			other++
		}
		if b == ' ' {
			space = string(char)
		}
		ids[string(char)] = next
		next++
	}
	// A word is merged from its beginning on, letter by letter, so that no merge of one word gets in the way of another.
	merges := []string{}
	for _, w := range slices.Sorted(slices.Values(words)) {
		if w == "" || strings.ContainsFunc(w, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') }) {
			return nil, fmt.Errorf("%q is no word of ASCII letters", w)
		}
		head := space
		for _, letter := range strings.Split(w, "") {
			whole := head + letter
			if _, known := ids[whole]; !known {
				merges = append(merges, head+" "+letter)
				ids[whole] = next
				next++
			}
			head = whole
		}
	}
	if vocab < next {
		return nil, fmt.Errorf("a vocabulary of %d is too small for bytes, marks and words: they are %d", vocab, next)
	}
	for ; next < vocab; next++ {
		ids[fmt.Sprintf("<unused%d>", next)] = next
	}
	bytelevel := map[string]any{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}
	return json.Marshal(map[string]any{
		"version": "1.0", "added_tokens": []any{}, "normalizer": nil, "pre_tokenizer": bytelevel, "post_processor": nil, "decoder": bytelevel,
		"model": map[string]any{"type": "BPE", "vocab": ids, "merges": merges, "unk_token": nil},
	})
}

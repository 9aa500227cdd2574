package tokenizer

import (
	"slices"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// unicodeForm returns the normalizer to a Unicode normalization form, by the standard's algorithm (Unicode, section 3.11).
// x/text gives its data and tells what is already normal, but its own output breaks runs of more than 30 combining marks
// with U+034F (the Stream-Safe Text Format), which no tokenizer's training text had, and its data are newer than the
// reference's.
func unicodeForm(form norm.Form) normalizer {
	decomposed, compose := form, false
	switch form {
	case norm.NFC:
		decomposed, compose = norm.NFD, true
	case norm.NFKC:
		decomposed, compose = norm.NFKD, true
	}
	return func(s string) string {
		if form.IsNormalString(s) {
			return s
		}
		chars := decompose(s, decomposed)
		if compose {
			chars = composeChars(chars)
		}
		return string(chars)
	}
}

// decompose returns the full decomposition of s in canonical order.
func decompose(s string, form norm.Form) []rune {
	chars := make([]rune, 0, len(s))
	for i := 0; i < len(s); {
		r, width := utf8.DecodeRuneInString(s[i:])
		switch d := form.PropertiesString(s[i : i+width]).Decomposition(); {
		case r >= hangulBase && r < hangulBase+hangulCount:
			chars = append(chars, decomposeHangul(r)...)
		case d != nil && !unicode.Is(laterDecompositions, r):
			chars = append(chars, []rune(string(d))...)
		default:
			chars = append(chars, r)
		}
		i += width
	}
	for i := 0; i < len(chars); {
		end := i
		for end < len(chars) && ccc(chars[end]) != 0 {
			end++
		}
		slices.SortStableFunc(chars[i:end], func(a, b rune) int { return int(ccc(a)) - int(ccc(b)) })
		i = end + 1
	}
	return chars
}

func ccc(r rune) uint8 {
	if r < 0x300 || unicode.Is(laterMarks, r) {
		return 0
	}
	return norm.NFD.PropertiesString(string(r)).CCC()
}

// Hangul syllables compose by arithmetic (Unicode, section 3.12).
const (
	hangulBase  = 0xAC00
	hangulCount = 11172
	hangulL     = 0x1100
	hangulV     = 0x1161
	hangulT     = 0x11A7
)

func decomposeHangul(r rune) []rune {
	index := r - hangulBase
	chars := []rune{hangulL + index/588, hangulV + index%588/28}
	if t := index % 28; t > 0 {
		chars = append(chars, hangulT+t)
	}
	return chars
}

// composeChars joins each starter with the characters after it that are not blocked from it.
func composeChars(chars []rune) []rune {
	out := make([]rune, 0, len(chars))
	starter := -1
	lastClass := -1 // combining class of the character before, -1 right after the starter
	for _, c := range chars {
		class := int(ccc(c))
		if starter >= 0 && lastClass < class {
			if joined, ok := composePair(out[starter], c); ok {
				out[starter] = joined
				continue
			}
		}
		if class == 0 {
			starter, lastClass = len(out), -1
		} else {
			lastClass = class
		}
		out = append(out, c)
	}
	return out
}

func composePair(a, b rune) (rune, bool) {
	if a >= hangulL && a < hangulL+19 && b >= hangulV && b < hangulV+21 {
		return hangulBase + ((a-hangulL)*21+(b-hangulV))*28, true
	}
	if a >= hangulBase && a < hangulBase+hangulCount && (a-hangulBase)%28 == 0 && b > hangulT && b < hangulT+28 {
		return a + b - hangulT, true
	}
	pair := string([]rune{a, b})
	if norm.NFC.IsNormalString(pair) {
		return 0, false
	}
	composed := norm.NFC.String(pair)
	r, width := utf8.DecodeRuneInString(composed)
	return r, width == len(composed) && !unicode.Is(laterDecompositions, r)
}

package tokenizer

import "unicode/utf8"

// GPT-2 writes each byte as a printable character, so that vocabularies are text: printable Latin-1 bytes stand for
// themselves, the others for the characters from U+0100 on.
var byteChars, charBytes = func() (chars [256]string, bytes map[rune]byte) {
	bytes = make(map[rune]byte, 256)
	next := rune(0x100)
	for b := range 256 {
		r := rune(b)
		if printable := b >= '!' && b <= '~' || b >= 0xA1 && b <= 0xAC || b >= 0xAE; !printable {
			r = next
			next++
		}
		chars[b] = string(r)
		bytes[r] = byte(b)
	}
	return chars, bytes
}()

// gpt2Pattern is the expression that ByteLevel splits by.
const gpt2Pattern = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`

// toByteChars writes each byte of s as its character.
func toByteChars(s string) string {
	out := make([]byte, 0, len(s)+len(s)/2)
	for i := range len(s) {
		out = append(out, byteChars[s[i]]...)
	}
	return string(out)
}

// appendByteChars undoes toByteChars; a token with any other character stands for itself.
func appendByteChars(dst []byte, token string) []byte {
	before := len(dst)
	for i := 0; i < len(token); {
		r, width := utf8.DecodeRuneInString(token[i:])
		b, ok := charBytes[r]
		if !ok {
			return append(dst[:before], token...)
		}
		dst = append(dst, b)
		i += width
	}
	return dst
}

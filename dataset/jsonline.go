package dataset

import (
	"bytes"
	"encoding/json"
	"html"
)

// jsonFields calls visit with every top-level key and raw value of the JSON object on a line. Review texts make most of these
// files' bytes and nobody here reads them, so values are only skipped over; what visit is not given is checked for its
// structure, not for its escapes.
func jsonFields(line []byte, visit func(key, value []byte) error) error {
	s := bytes.TrimSpace(line)
	if len(s) == 0 || s[0] != '{' {
		return bad("%s is not a JSON object", clip(s))
	}
	s = skipSpace(s[1:])
	if len(s) > 0 && s[0] == '}' {
		return jsonEnd(s[1:])
	}
	for {
		if len(s) == 0 || s[0] != '"' {
			return bad("broken JSON: a key is due at %s", clip(s))
		}
		n := stringEnd(s)
		if n < 0 {
			return bad("broken JSON: a key does not end")
		}
		key := s[1 : n-1]
		s = skipSpace(s[n:])
		if len(s) == 0 || s[0] != ':' {
			return bad("broken JSON: a colon is due after key %s", clip(key))
		}
		s = skipSpace(s[1:])
		n = valueEnd(s)
		if n <= 0 {
			return bad("broken JSON: the value of %s is cut off or malformed", clip(key))
		}
		if err := visit(key, s[:n]); err != nil {
			return err
		}
		s = skipSpace(s[n:])
		if len(s) == 0 {
			return bad("broken JSON: the object does not end")
		}
		switch s[0] {
		case '}':
			return jsonEnd(s[1:])
		case ',':
			s = skipSpace(s[1:])
		default:
			return bad("broken JSON: a comma is due at %s", clip(s))
		}
	}
}

func jsonEnd(s []byte) error {
	if s = skipSpace(s); len(s) > 0 {
		return bad("broken JSON: %s follows the object", clip(s))
	}
	return nil
}

func skipSpace(s []byte) []byte {
	for len(s) > 0 && (s[0] == ' ' || s[0] == '\t' || s[0] == '\r' || s[0] == '\n') {
		s = s[1:]
	}
	return s
}

// stringEnd returns the length of the string literal that s starts with, or -1.
func stringEnd(s []byte) int {
	for i := 1; ; {
		j := bytes.IndexByte(s[i:], '"')
		if j < 0 {
			return -1
		}
		i += j
		slashes := 0
		for k := i - 1; k > 0 && s[k] == '\\'; k-- {
			slashes++
		}
		i++
		if slashes%2 == 0 {
			return i
		}
	}
}

// valueEnd returns the length of the JSON value that s starts with, or -1.
func valueEnd(s []byte) int {
	if len(s) == 0 {
		return -1
	}
	switch s[0] {
	case '"':
		return stringEnd(s)
	case '{', '[':
		var stack []byte
		for i := 0; i < len(s); i++ {
			switch s[i] {
			case '"':
				n := stringEnd(s[i:])
				if n < 0 {
					return -1
				}
				i += n - 1
			case '{', '[':
				stack = append(stack, s[i]+2) // '{'+2 is '}', '['+2 is ']'
			case '}', ']':
				if stack[len(stack)-1] != s[i] {
					return -1
				}
				if stack = stack[:len(stack)-1]; len(stack) == 0 {
					return i + 1
				}
			}
		}
		return -1
	}
	n := bytes.IndexAny(s, ",}] \t\r\n")
	if n < 0 {
		n = len(s)
	}
	return n
}

// jsonString returns the content of a string value. The result may point into the line.
func jsonString(value []byte) ([]byte, error) {
	if len(value) < 2 || value[0] != '"' {
		return nil, bad("%s is not a JSON string", clip(value))
	}
	inner := value[1 : len(value)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return inner, nil
	}
	var out string
	if err := json.Unmarshal(value, &out); err != nil {
		return nil, bad("broken JSON string %s", clip(value))
	}
	return []byte(out), nil
}

// jsonTexts returns the strings in an array, or in an array of arrays (2014), of strings; nothing where value is something else.
func jsonTexts(value []byte) []string {
	var out []string
	var flat []string
	if json.Unmarshal(value, &flat) == nil {
		out = flat
	} else {
		var nested [][]string
		if json.Unmarshal(value, &nested) == nil && len(nested) > 0 {
			out = nested[0]
		}
	}
	kept := out[:0]
	for _, s := range out {
		if s = oneLine(html.UnescapeString(s)); s != "" {
			kept = append(kept, s)
		}
	}
	return kept
}

package prompt

import (
	"regexp"
	"strings"
)

// titleForm gives an item's title the form that a Config asks for, on one line and without any special token in it.
func (c Config) titleForm(tok Tokenizer, title string) string {
	title = strings.Join(strings.Fields(title), " ")
	switch c.Title {
	case Natural:
		title = naturalTitle(title)
	case NaturalNoYear:
		title = naturalTitle(title)
		if bare, year := splitYear(title); year != "" {
			title = bare
		}
	}
	if title == "" {
		title = c.Untitled
	}
	return disarm(tok, title)
}

// special matches what special tokens look like in every supported vocabulary: <s>, <|im_end|>, <start_of_turn>, [INST].
var special = regexp.MustCompile(`<[^<>\s]+>|\[/?[A-Z_]+\]`)

// disarm keeps a title from forging a special token: tokenizers read "<|im_end|>" in a text as the token itself, so a space is put
// after the first character of whatever looks like a special token and is in the vocabulary.
func disarm(tok Tokenizer, title string) string {
	return special.ReplaceAllStringFunc(title, func(s string) string {
		if _, known := tok.ID(s); known {
			return s[:1] + " " + s[1:]
		}
		return s
	})
}

var (
	yearEnd = regexp.MustCompile(`^(.*\S)\s*\((\d{4})\)$`)
	// article matches "Name, The" with an optional alternative title and year behind it.
	article = regexp.MustCompile(`^(.+), (The|A|An|Le|La|Les|L'|Un|Une|Il|Lo|I|Der|Die|Das|Ein|Eine|El|Los|Las)((?: \(.*\))?)$`)
)

func splitYear(title string) (bare, year string) {
	if m := yearEnd.FindStringSubmatch(title); m != nil {
		return m[1], m[2]
	}
	return title, ""
}

func naturalTitle(title string) string {
	m := article.FindStringSubmatch(title)
	if m == nil {
		return title
	}
	if strings.HasSuffix(m[2], "'") {
		return m[2] + m[1] + m[3]
	}
	return m[2] + " " + m[1] + m[3]
}

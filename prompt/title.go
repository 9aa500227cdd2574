package prompt

import (
	"strings"
	"unicode"

	"lsat/dataset"
)

// titleForm gives an item's title the form that a Config asks for, on one line.
func (c Config) titleForm(title string) string {
	title = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' ' // a line break in a title would look like the end of a field of the prompt
		}
		return r
	}, title)
	switch c.Title {
	case Natural:
		title = strings.TrimSpace(dataset.NaturalTitle(title))
	case NaturalNoYear:
		title = strings.TrimSpace(dataset.NaturalTitle(title))
		if name, _ := dataset.SplitYear(title); name != "" {
			title = name
		}
	}
	if strings.TrimSpace(title) == "" {
		return c.Untitled
	}
	return title
}

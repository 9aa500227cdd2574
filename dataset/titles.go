package dataset

import (
	"strings"
	"unicode/utf8"
)

// articles are what MovieLens moves behind a title: "Matrix, The". Those that end in ' take no space.
var articles = map[string]bool{
	"The": true, "A": true, "An": true, // English
	"Le": true, "La": true, "Les": true, "L'": true, "Un": true, "Une": true, // French
	"El": true, "Los": true, "Las": true, "Lo": true, "Una": true, // Spanish
	"Il": true, "I": true, "Gli": true, // Italian
	"Der": true, "Die": true, "Das": true, "Ein": true, "Eine": true, // German
	"Den": true, "Det": true, "De": true, "Het": true, "En": true, "Ett": true, // Nordic, Dutch
	"O": true, "Os": true, "As": true, // Portuguese
}

// NaturalTitle puts articles that MovieLens moved behind a title, or behind an alternative title in parentheses, back to the front:
// "Matrix, The (1999)" becomes "The Matrix (1999)", and "City of Lost Children, The (Cité des enfants perdus, La) (1995)" becomes
// "The City of Lost Children (La Cité des enfants perdus) (1995)". Other titles come back as they are.
func NaturalTitle(title string) string {
	if !strings.Contains(title, ", ") {
		return title
	}
	name, year := SplitYear(title)
	var out strings.Builder
	// A title is a name followed by alternative names in parentheses; nested parentheses stay with the name around them.
	for rest := name; rest != ""; {
		open := strings.IndexByte(rest, '(')
		if open < 0 {
			open = len(rest)
		}
		part := strings.TrimRight(rest[:open], " ")
		out.WriteString(frontArticle(part))
		out.WriteString(rest[len(part):open])
		rest = rest[open:]
		if rest == "" {
			break
		}
		end := closing(rest)
		if end < 0 {
			out.WriteString(rest)
			break
		}
		inner := rest[1:end]
		switch known, alias := strings.CutPrefix(inner, "a.k.a. "); {
		case alias:
			inner = "a.k.a. " + frontArticle(known)
		default:
			inner = frontArticle(inner)
		}
		out.WriteString("(" + inner + ")")
		rest = rest[end+1:]
	}
	if year != "" {
		out.WriteString(" (" + year + ")")
	}
	return out.String()
}

// closing returns where the parenthesis that s starts with is closed, or -1.
func closing(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

func frontArticle(name string) string {
	i := strings.LastIndex(name, ", ")
	if i <= 0 || !articles[name[i+2:]] {
		return name
	}
	article := name[i+2:]
	if strings.HasSuffix(article, "'") {
		return article + name[:i]
	}
	return article + " " + name[:i]
}

// SplitYear takes the year off the end of a title: "The Matrix (1999)" gives "The Matrix" and "1999". A span such as "2006–2007" or "1999-" is returned as it
// stands. Where there is no year it is empty and name is the title, without space around it.
func SplitYear(title string) (name, year string) {
	title = strings.TrimSpace(title)
	open := strings.LastIndexByte(title, '(')
	if open < 0 || !strings.HasSuffix(title, ")") {
		return title, ""
	}
	year = title[open+1 : len(title)-1]
	first, last := year, ""
	if i := strings.IndexAny(year, "-–"); i >= 0 {
		_, size := utf8.DecodeRuneInString(year[i:])
		first, last = year[:i], year[i+size:]
	}
	if !isYear(first) || (last != "" && !isYear(last)) {
		return title, ""
	}
	return strings.TrimRight(title[:open], " "), year
}

func isYear(s string) bool {
	if len(s) != 4 {
		return false
	}
	for i := 0; i < 4; i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s[0] == '1' || s[0] == '2'
}

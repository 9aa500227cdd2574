package dataset

import (
	"bytes"
	"strings"
)

var colons = []byte("::")

// datRating reads user::item::rating::timestamp, the layout of MovieLens up to 10M and of MovieTweetings.
func datRating(line []byte, r *row) error {
	var f [4][]byte
	rest := line
	for k := range 3 {
		i := bytes.Index(rest, colons)
		if i < 0 {
			return fewFields(k+1, "user::item::rating::timestamp")
		}
		f[k], rest = rest[:i], rest[i+2:]
	}
	f[3] = rest
	if bytes.Contains(rest, colons) {
		return bad("more than the 4 fields user::item::rating::timestamp")
	}
	return fourFields(f, r, clock{unit: "s"})
}

// fewFields complains about a line that ends early; where only the time is missing it says so.
func fewFields(n int, layout string) error {
	if n == 3 {
		return untimed("3 fields where %s needs 4: no timestamp", layout)
	}
	return bad("%d fields where %s needs 4", n, layout)
}

func fourFields(f [4][]byte, r *row, c clock) (err error) {
	r.user, r.item = f[0], f[1]
	if r.rating, err = parseRating(f[2]); err != nil {
		return err
	}
	r.time, err = c.parse(f[3])
	return err
}

// datItem reads id::title::genres. Titles may hold "::" themselves; genres are after the last one.
func datItem(encoding string) func([]byte, *itemText) error {
	return func(line []byte, t *itemText) error {
		i := bytes.Index(line, colons)
		if i < 0 {
			return bad("no \"::\" where id::title::genres is due")
		}
		t.id = string(line[:i])
		title, list := line[i+2:], []byte(nil)
		if j := bytes.LastIndex(title, colons); j >= 0 {
			title, list = title[:j], title[j+2:]
		}
		return t.fill(title, list, "|", encoding)
	}
}

// fill decodes title and categories.
func (t *itemText) fill(title, list []byte, sep, encoding string) error {
	var err error
	if t.title, err = text(title, encoding); err != nil {
		return err
	}
	all, err := text(list, encoding)
	if err != nil {
		return err
	}
	for _, c := range strings.Split(all, sep) {
		if c = strings.TrimSpace(c); c != "" && c != "(no genres listed)" {
			t.categories = append(t.categories, c)
		}
	}
	return nil
}

// tabRating reads ML-100K's u.data: user, item, rating and timestamp between tabs.
func tabRating(line []byte, r *row) error {
	var f [4][]byte
	rest := line
	for k := range 3 {
		i := bytes.IndexByte(rest, '\t')
		if i < 0 {
			return fewFields(k+1, "user, item, rating, timestamp between tabs")
		}
		f[k], rest = rest[:i], rest[i+1:]
	}
	f[3] = rest
	return fourFields(f, r, clock{unit: "s"})
}

// ml100kGenres are the flags of u.item, in their order.
var ml100kGenres = [...]string{"unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy",
	"Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"}

// barItem reads ML-100K's u.item: id|title|release|video release|URL|19 genre flags.
func barItem(encoding string) func([]byte, *itemText) error {
	return func(line []byte, t *itemText) error {
		f := bytes.Split(line, []byte("|"))
		if len(f) != 5+len(ml100kGenres) {
			return bad("%d fields where u.item has %d", len(f), 5+len(ml100kGenres))
		}
		t.id = string(f[0])
		var err error
		if t.title, err = text(f[1], encoding); err != nil {
			return err
		}
		for k, name := range ml100kGenres {
			if k > 0 && string(f[5+k]) == "1" {
				t.categories = append(t.categories, name)
			}
		}
		return nil
	}
}

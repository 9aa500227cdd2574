package dataset

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"io"
)

// amazonReview reads one review as JSON: of 2018 (reviewerID, asin, overall, unixReviewTime in seconds) or of 2023 (user_id, parent_asin or
// asin, rating, timestamp in milliseconds).
func amazonReview() lineParser {
	seconds, millis := newClock("s"), newClock("ms")
	return func(line []byte, r *row) error {
		var user, asin, parent, rating, old, recent []byte
		err := jsonFields(line, func(key, value []byte) error {
			var err error
			switch string(key) {
			case "reviewerID", "user_id":
				user, err = jsonString(value)
			case "asin":
				asin, err = jsonString(value)
			case "parent_asin":
				if string(value) != "null" {
					parent, err = jsonString(value)
				}
			case "overall", "rating":
				rating = bytes.Trim(value, `"`)
			case "unixReviewTime":
				old = bytes.Trim(value, `"`)
			case "timestamp":
				recent = bytes.Trim(value, `"`)
			}
			return err
		})
		if err != nil {
			return err
		}
		r.user, r.item = user, parent
		if len(parent) == 0 {
			r.item = asin
		}
		switch {
		case user == nil:
			return bad("no reviewerID (2018) or user_id (2023)")
		case len(r.item) == 0:
			return bad("no asin or parent_asin")
		case rating == nil:
			return bad("no overall (2018) or rating (2023)")
		}
		if r.rating, err = parseRating(rating); err != nil {
			return err
		}
		switch {
		case recent != nil:
			r.time, err = millis.parse(recent)
		case old != nil:
			r.time, err = seconds.parse(old)
		default:
			err = untimed("no unixReviewTime (2018) or timestamp (2023)")
		}
		return err
	}
}

// amazonItem reads one line of metadata as JSON. The files hold every product of the shop, so the title is only decoded for those that wanted.
func amazonItem(wanted func(id []byte) bool) func([]byte, *itemText) error {
	return func(line []byte, t *itemText) error {
		var asin, parent, title, categories []byte
		err := jsonFields(line, func(key, value []byte) error {
			var err error
			switch string(key) {
			case "asin":
				asin, err = jsonString(value)
			case "parent_asin":
				if string(value) != "null" {
					parent, err = jsonString(value)
				}
			case "title":
				title = value
			case "categories", "category":
				categories = value
			}
			return err
		})
		if err != nil {
			return err
		}
		id := parent
		if len(id) == 0 {
			id = asin
		}
		t.id = string(id)
		if t.id == "" {
			return bad("no asin or parent_asin")
		}
		if !wanted(id) {
			return nil
		}
		if title != nil && string(title) != "null" {
			raw, err := jsonString(title)
			if err != nil {
				return err
			}
			// The shop's titles are HTML: "Crime &amp; Punishment".
			if t.title, err = text([]byte(html.UnescapeString(string(bytes.ToValidUTF8(raw, []byte("\uFFFD"))))), "utf-8"); err != nil {
				return err
			}
		}
		t.categories = jsonTexts(categories)
		return nil
	}
}

// amazonOrder finds out whether a ratings-only file without header starts its lines with the user (2014) or with the item (2018): products have ten
// characters that start with B or a digit, users have more and start with A.
func amazonOrder(path string, lines [][]byte) (userFirst bool, err error) {
	votes := 0
	for _, line := range lines {
		f, err := splitFields(line, ',', nil)
		if err != nil || len(f) < 2 {
			continue
		}
		if isASIN(f[1]) && !isASIN(f[0]) {
			votes++
		}
		if isASIN(f[0]) && !isASIN(f[1]) {
			votes--
		}
	}
	if votes == 0 {
		return false, fmt.Errorf("%s: %w: cannot tell users from products; name the columns (user #1, item #2, rating #3, time #4, or item first)", path, ErrAmbiguous)
	}
	return votes > 0, nil
}

func isASIN(b []byte) bool {
	if len(b) != 10 || (b[0] != 'B' && (b[0] < '0' || b[0] > '9')) {
		return false
	}
	for _, c := range b {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}

// firstLines reads the first lines of a file that are not empty.
func firstLines(src *source, most int) ([][]byte, error) {
	var lines [][]byte
	for len(lines) < most {
		line, err := src.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if len(bytes.TrimSpace(line)) > 0 {
			lines = append(lines, bytes.Clone(line))
		}
	}
	return lines, nil
}

package dataset

import (
	"bytes"
	"math"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"
)

// splitFields appends the fields of one line of separated values to dst. Quoted fields follow RFC 4180, within one line. The fields
// point into line, or into fresh memory where a doubled quote had to go.
func splitFields(line []byte, sep byte, dst [][]byte) ([][]byte, error) {
	if bytes.IndexByte(line, '"') < 0 {
		for {
			i := bytes.IndexByte(line, sep)
			if i < 0 {
				return append(dst, line), nil
			}
			dst = append(dst, line[:i])
			line = line[i+1:]
		}
	}
	for {
		if len(line) == 0 || line[0] != '"' {
			i := bytes.IndexByte(line, sep)
			if i < 0 {
				return append(dst, line), nil
			}
			dst = append(dst, line[:i])
			line = line[i+1:]
			continue
		}
		field, rest, ok := quoted(line[1:])
		if !ok {
			return nil, bad("a quoted field does not end on this line")
		}
		dst = append(dst, field)
		if len(rest) == 0 {
			return dst, nil
		}
		if rest[0] != sep {
			return nil, bad("%s follows a closing quote where %q is due", clip(rest), string(sep))
		}
		line = rest[1:]
	}
}

// quoted reads up to the closing quote; s starts after the opening one.
func quoted(s []byte) (field, rest []byte, ok bool) {
	i := bytes.IndexByte(s, '"')
	if i < 0 {
		return nil, nil, false
	}
	if i+1 == len(s) || s[i+1] != '"' {
		return s[:i], s[i+1:], true
	}
	var out []byte
	for {
		i := bytes.IndexByte(s, '"')
		if i < 0 {
			return nil, nil, false
		}
		out = append(out, s[:i]...)
		if i+1 == len(s) || s[i+1] != '"' {
			return out, s[i+1:], true
		}
		out = append(out, '"')
		s = s[i+2:]
	}
}

var pow10 = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// number reads a decimal number; it is exact for up to 15 digits and goes to strconv for anything unusual.
func number(b []byte) (float64, bool) {
	var m int64
	point, digits := -1, 0
	for i, c := range b {
		switch {
		case c >= '0' && c <= '9' && digits < 15:
			m = m*10 + int64(c-'0')
			digits++
		case c == '.' && point < 0:
			point = i
		default:
			return slowNumber(b)
		}
	}
	if digits == 0 {
		return 0, false
	}
	if point < 0 {
		return float64(m), true
	}
	return float64(m) / pow10[len(b)-1-point], true
}

func slowNumber(b []byte) (float64, bool) {
	if bytes.ContainsAny(b, "xX_pP") { // strconv reads these too; no data set means them
		return 0, false
	}
	f, err := strconv.ParseFloat(string(b), 64)
	return f, err == nil && !math.IsNaN(f) && !math.IsInf(f, 0)
}

func parseRating(b []byte) (float32, error) {
	b = bytes.TrimSpace(b)
	if len(b) == 1 && b[0] >= '0' && b[0] <= '9' {
		return float32(b[0] - '0'), nil
	}
	f, ok := number(b)
	if !ok || math.Abs(f) > math.MaxFloat32 {
		return 0, bad("rating %s is not a number", clip(b))
	}
	return float32(f), nil
}

// latestSecond is the year 5138: a larger number of seconds is certainly a number of milliseconds.
const latestSecond = 100_000_000_000

// clock reads time stamps. Its result is in milliseconds since 1970.
type clock struct {
	unit   string
	perMS  float64 // units in a millisecond, for "us" and "ns"
	layout bool
}

func newClock(unit string) clock {
	switch unit {
	case "", "s":
		return clock{unit: "s"}
	case "ms":
		return clock{unit: unit, perMS: 1}
	case "us":
		return clock{unit: unit, perMS: 1e3}
	case "ns":
		return clock{unit: unit, perMS: 1e6}
	}
	return clock{unit: unit, layout: true}
}

func (c clock) parse(b []byte) (int64, error) {
	b = bytes.TrimSpace(b)
	if len(b) == 0 {
		return 0, untimed("the timestamp is empty")
	}
	if c.layout {
		t, err := time.Parse(c.unit, string(b))
		if err != nil {
			return 0, bad("timestamp %s does not have the layout %q", clip(b), c.unit)
		}
		return c.inRange(t.UnixMilli(), b)
	}
	if c.unit == "s" && len(b) <= 11 { // the hot path: whole seconds
		var n int64
		for i, d := range b {
			if d < '0' || d > '9' {
				break
			}
			n = n*10 + int64(d-'0')
			if i == len(b)-1 && n > 0 && n < latestSecond {
				return n * 1000, nil
			}
		}
	}
	f, ok := number(b)
	if !ok {
		return 0, bad("timestamp %s is not a number", clip(b))
	}
	if c.unit == "s" {
		if f >= latestSecond {
			return 0, bad("timestamp %s is too large for seconds: set the time unit to ms, us or ns", clip(b))
		}
		return c.inRange(int64(math.Floor(f*1000)), b)
	}
	if f /= c.perMS; f >= latestSecond*1000 {
		return 0, bad("timestamp %s is too large for the time unit %s", clip(b), c.unit)
	}
	return c.inRange(int64(f), b)
}

// inRange refuses what stands for "unknown" in many exports: zero and negative numbers.
func (c clock) inRange(ms int64, b []byte) (int64, error) {
	if ms <= 0 {
		return 0, untimed("timestamp %s is not a time after 1970", clip(b))
	}
	return ms, nil
}

// text decodes a text field and makes one line of it: control characters and runs of space around them become one space.
func text(b []byte, encoding string) (string, error) {
	b = bytes.TrimSpace(b)
	if encoding != "iso-8859-1" && utf8.Valid(b) {
		return oneLine(string(b)), nil
	}
	if encoding == "utf-8" {
		return "", bad("%s is not valid UTF-8", clip(b))
	}
	runes := make([]rune, len(b))
	for i, c := range b {
		runes[i] = rune(c) // ISO-8859-1 is the first 256 code points
	}
	return oneLine(string(runes)), nil
}

func oneLine(s string) string {
	plain := true
	for _, r := range s {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			plain = false
			break
		}
	}
	if plain {
		return s
	}
	out := make([]rune, 0, len(s))
	for _, r := range s {
		if unicode.IsControl(r) || unicode.IsSpace(r) {
			r = ' '
		}
		if r == ' ' && (len(out) == 0 || out[len(out)-1] == ' ') {
			continue
		}
		out = append(out, r)
	}
	for len(out) > 0 && out[len(out)-1] == ' ' {
		out = out[:len(out)-1]
	}
	return string(out)
}

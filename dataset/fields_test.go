package dataset

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestNumber holds the fast parser to strconv on numbers as they stand in files.
func TestNumber(t *testing.T) {
	gen := rapid.OneOf(
		rapid.StringMatching(`[0-9]{1,18}(\.[0-9]{0,8})?`),
		rapid.StringMatching(`-?[0-9]{1,4}\.[0-9]{1,3}(e[0-9]{1,2})?`),
		rapid.Map(rapid.Float64Range(-1e12, 1e12), func(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }),
		rapid.StringMatching(`[0-9.eE+-]{0,6}`),
	)
	rapid.Check(t, func(t *rapid.T) {
		s := gen.Draw(t, "number")
		want, err := strconv.ParseFloat(s, 64)
		got, ok := number([]byte(s))
		if ok != (err == nil) || (ok && got != want) {
			t.Fatalf("number(%q) = %v, %v; strconv has %v, %v", s, got, ok, want, err)
		}
	})
	for _, s := range []string{"", " ", ".", "-", "NaN", "Inf", "-inf", "0x10", "1_000", "1e999", "four", "4,5", "5\x00"} {
		if got, ok := number([]byte(s)); ok {
			t.Errorf("number(%q) = %v, want none", s, got)
		}
	}
}

func TestClock(t *testing.T) {
	day := time.Date(2014, 3, 1, 12, 30, 0, 0, time.UTC).UnixMilli()
	for _, c := range []struct {
		unit, in string
		want     int64
	}{
		{"", "978300760", 978300760000},
		{"s", " 978300760 ", 978300760000},
		{"s", "881250949.0", 881250949000},
		{"s", "881250949.75", 881250949750},
		{"s", "8.81250949e8", 881250949000},
		{"s", "99999999999", 99999999999000},
		{"ms", "1588687728923", 1588687728923},
		{"us", "1588687728923000", 1588687728923},
		{"ns", "1588687728923000000", 1588687728923},
		{"2006-01-02 15:04:05", "2014-03-01 12:30:00", day},
		{"2006-01-02T15:04:05Z07:00", "2014-03-01T13:30:00+01:00", day},
	} {
		got, err := newClock(c.unit).parse([]byte(c.in))
		if err != nil || got != c.want {
			t.Errorf("unit %q: %q is %d, %v; want %d", c.unit, c.in, got, err, c.want)
		}
	}
	for _, c := range []struct{ unit, in, why string }{
		{"s", "", "empty"},
		{"s", "0", "not a time"},
		{"s", "-1", "not a time"},
		{"s", "1588687728923", "set the time unit"},
		{"s", "yesterday", "not a number"},
		{"ms", "1588687728923000", "too large"},
		{"2006-01-02", "03/01/2014", "layout"},
	} {
		if got, err := newClock(c.unit).parse([]byte(c.in)); err == nil || !strings.Contains(err.Error(), c.why) {
			t.Errorf("unit %q: %q is %d, %v; want an error with %q", c.unit, c.in, got, err, c.why)
		}
	}
}

// TestSplitFields holds the splitter to encoding/csv on what encoding/csv writes.
func TestSplitFields(t *testing.T) {
	field := rapid.StringOf(rapid.SampledFrom([]rune{'a', 'b', ',', ';', '"', ' ', 'é', '\t', '\''}))
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(field, 1, 6).Draw(t, "fields")
		sep := rapid.SampledFrom([]byte{',', ';', '\t'}).Draw(t, "separator")
		var out bytes.Buffer
		w := csv.NewWriter(&out)
		w.Comma = rune(sep)
		if err := w.Write(want); err != nil {
			t.Fatal(err)
		}
		w.Flush()
		fields, err := splitFields(bytes.TrimSuffix(out.Bytes(), []byte("\n")), sep, nil)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range fields {
			got = append(got, string(f))
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%q was split into %q, want %q", out.String(), got, want)
		}
	})
	for _, line := range []string{`"open`, `1,"open`, `"a"b,1`, `"a""`} {
		if got, err := splitFields([]byte(line), ',', nil); err == nil {
			t.Errorf("%q was split into %q, want an error", line, got)
		}
	}
}

// TestJSONFields holds the scanner to encoding/json on whole objects, and asks for an error on each of their beginnings.
func TestJSONFields(t *testing.T) {
	leaf := rapid.OneOf(
		rapid.Map(rapid.StringOf(rapid.SampledFrom([]rune{'a', '"', '\\', '{', '}', '[', ',', ':', 'é', '\n', '\u2028'})), func(s string) any { return s }),
		rapid.Map(rapid.Float64Range(-1e6, 1e6), func(f float64) any { return f }),
		rapid.SampledFrom([]any{nil, true, false, []any{}, map[string]any{}, []any{"x]", map[string]any{"y": "}"}}}),
	)
	object := rapid.MapOfN(rapid.StringMatching(`[a-z_{"]{1,6}`), leaf, 0, 5)
	rapid.Check(t, func(t *rapid.T) {
		want := object.Draw(t, "object")
		line, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		if rapid.Bool().Draw(t, "spaced") {
			var spaced bytes.Buffer
			if err := json.Indent(&spaced, line, "", "\t"); err != nil {
				t.Fatal(err)
			}
			line = spaced.Bytes()
		}
		got := map[string]any{}
		err = jsonFields(line, func(key, value []byte) error {
			name, err := jsonString([]byte(`"` + string(key) + `"`))
			if err != nil {
				return err
			}
			var v any
			if err := json.Unmarshal(value, &v); err != nil {
				return err
			}
			got[string(name)] = v
			return nil
		})
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		a, _ := json.Marshal(got)
		b, _ := json.Marshal(want)
		if !bytes.Equal(a, b) {
			t.Fatalf("read %s of %s", a, b)
		}
		cut := rapid.IntRange(0, len(line)-1).Draw(t, "cut")
		if err := jsonFields(line[:cut], func(_, _ []byte) error { return nil }); err == nil {
			t.Fatalf("%s passed for an object", line[:cut])
		}
	})
	for _, line := range []string{"", "null", "[]", `{"a" 1}`, `{"a":}`, `{"a":1,}`, `{a:1}`, `{"a":[}`, `{"a":[1}]}`, `{"a":1}}`, `{"a":1} {"b":2}`, `{'a': 1}`, `{"a\`} {
		if err := jsonFields([]byte(line), func(_, _ []byte) error { return nil }); err == nil {
			t.Errorf("%s passed for an object", line)
		}
	}
}

func FuzzJSONFields(f *testing.F) {
	f.Add([]byte(`{"user_id":"A","rating":5.0,"x":[{"a":"]"}]}`))
	f.Add([]byte(`{"a":"\\\""}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		var object map[string]json.RawMessage
		valid := json.Unmarshal(line, &object) == nil && object != nil
		keys := map[string]bool{}
		err := jsonFields(line, func(key, _ []byte) error {
			keys[string(key)] = true
			return nil
		})
		if valid && (err != nil || len(keys) < len(object)) {
			t.Fatalf("%q: %d of %d keys, %v", line, len(keys), len(object), err)
		}
	})
}

func TestSortByTime(t *testing.T) {
	times := rapid.OneOf(rapid.Int64Range(0, 5), rapid.Int64Range(0, 1<<41), rapid.Int64(), rapid.SampledFrom([]int64{math.MinInt64, math.MaxInt64, 0}))
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOf(times).Draw(t, "times")
		events := make([]Interaction, len(list))
		for i, at := range list {
			events[i] = Interaction{Time: at, Item: int32(i)}
		}
		want := slices.Clone(events)
		slices.SortStableFunc(want, func(a, b Interaction) int {
			switch {
			case a.Time < b.Time:
				return -1
			case a.Time > b.Time:
				return 1
			}
			return 0
		})
		events = sortByTime(events)
		if !slices.Equal(events, want) {
			t.Fatalf("sorted into %v, want %v", events, want)
		}
	})
}

package tokenizer

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
)

// TestUnicodeData compares every code point with the reference; it fails when Go's Unicode data have moved, and then the
// tables in unicodedata.go must follow.
func TestUnicodeData(t *testing.T) {
	want := readGolden().Unicode
	for expr, sum := range want.Classes {
		p, err := compilePattern(expr)
		if err != nil {
			t.Fatal(err)
		}
		var found []int32
		for c := rune(0); c <= 0x10FFFF; c++ {
			if c < 0xD800 || c > 0xDFFF {
				if s := string(c); p.start.match(s, 0) == len(s) {
					found = append(found, c)
				}
			}
		}
		if digestIDs([][]int32{found}) != sum {
			t.Errorf("%s: other code points than the reference's", expr)
		}
	}
	for name, sum := range want.Forms {
		normalize, err := buildNormalizer(json.RawMessage(`{"type":"`+name+`"}`), &rules{})
		if err != nil {
			t.Fatal(err)
		}
		h := sha256.New()
		for c := rune(0); c < 0x33480; c++ {
			if c < 0xD800 || c > 0xDFFF {
				h.Write([]byte(normalize("e"+string(c)+"\u0323\u0301") + "\n"))
			}
		}
		if hex.EncodeToString(h.Sum(nil)) != sum {
			t.Errorf("%s: other forms than the reference's", name)
		}
	}
}

func TestLongRunsOfMarksStayWhole(t *testing.T) {
	nfc, err := buildNormalizer(json.RawMessage(`{"type":"NFC"}`), &rules{})
	if err != nil {
		t.Fatal(err)
	}
	// 0x34F would be the sign of a broken run.
	if got := nfc("e" + strings.Repeat("\u0301", 50)); got != "é"+strings.Repeat("\u0301", 49) {
		t.Errorf("got %+q", got)
	}
}

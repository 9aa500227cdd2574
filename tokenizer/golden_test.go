package tokenizer

import (
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// goldenFile is testdata/golden.json, written by scripts/golden/tokenizers_golden.py from Hugging Face's tokenizers and
// from sentencepiece.
type goldenFile struct {
	Texts      []string
	Fragments  []string
	Generated  int
	Seed       uint64
	Tokenizers map[string]goldenIDs
	Variants   map[string]struct{ Texts, Encode, Special, Decode string }
	Unicode    struct{ Classes, Forms map[string]string }
}

type goldenIDs struct {
	Encode    [][]int32
	Special   map[string][]int32
	Decode    map[string]string
	Generated struct{ Encode, Special, Decode string }
	Titles    map[string]goldenTitles
}

type goldenTitles struct {
	Count   int
	SHA256  string
	Samples map[string][]int32
}

// goldenVariant is one of testdata/variants.json's changes to a family's file, with its sums.
type goldenVariant struct {
	Base string
	Set  map[string]any
}

const shared = "../../shared"

var readGolden = sync.OnceValue(func() goldenFile {
	var g goldenFile
	mustUnmarshal("golden.json", &g)
	return g
})

func mustUnmarshal(name string, into any) {
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		panic(err)
	}
}

// splitMix is SplitMix64, the same as in the script.
type splitMix uint64

func (s *splitMix) next() uint64 {
	*s += 0x9E3779B97F4A7C15
	z := uint64(*s)
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

func (g goldenFile) generate() []string {
	rng := splitMix(g.Seed)
	texts := make([]string, g.Generated)
	for i := range texts {
		n := 1 + rng.next()%12
		for range n {
			texts[i] += g.Fragments[rng.next()%uint64(len(g.Fragments))]
		}
	}
	return texts
}

func digestIDs(batch [][]int32) string {
	h := sha256.New()
	for _, ids := range batch {
		line := []byte{}
		for i, id := range ids {
			if i > 0 {
				line = append(line, ' ')
			}
			line = strconv.AppendInt(line, int64(id), 10)
		}
		h.Write(append(line, '\n'))
	}
	return hex.EncodeToString(h.Sum(nil))
}

func digestTexts(texts []string) string {
	h := sha256.New()
	for _, text := range texts {
		h.Write([]byte(text + "\n"))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// open loads the tokenizer of a golden by its name; it skips the test if that lies in ../shared and is absent.
func open(t *testing.T, name string) *Tokenizer {
	t.Helper()
	var tok *Tokenizer
	var err error
	switch {
	case strings.HasPrefix(name, "sp-"):
		var data []byte
		if data, err = os.ReadFile(filepath.Join("testdata", name+".model")); err == nil {
			tok, err = FromSentencePiece(data)
		}
	case fileExists(filepath.Join("testdata", name+".tokenizer.json")):
		var data []byte
		if data, err = os.ReadFile(filepath.Join("testdata", name+".tokenizer.json")); err == nil {
			tok, err = FromJSON(data)
		}
	default:
		dir := filepath.Join(shared, "models", name)
		if !fileExists(dir) {
			t.Skipf("%s is absent: the real tokenizer is not compared", dir)
		}
		if loaded, ok := loadedReal.Load(name); ok {
			return loaded.(*Tokenizer)
		}
		if tok, err = Load(dir); err == nil {
			loadedReal.Store(name, tok)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// loadedReal keeps the large tokenizers from being loaded for every test.
var loadedReal sync.Map

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

func TestGoldenTexts(t *testing.T) {
	g := readGolden()
	for name, want := range g.Tokenizers {
		t.Run(name, func(t *testing.T) {
			tok := open(t, name)
			for i, text := range g.Texts {
				ids := want.Encode[i]
				if got := tok.Encode(text); !slices.Equal(got, ids) {
					t.Errorf("Encode(%q)\n got %v\nwant %v", text, got, ids)
				}
				special, differs := want.Special[strconv.Itoa(i)]
				if !differs {
					special = ids
				}
				if got := tok.EncodeSpecial(text); !slices.Equal(got, special) {
					t.Errorf("EncodeSpecial(%q)\n got %v\nwant %v", text, got, special)
				}
				decoded, differs := want.Decode[strconv.Itoa(i)]
				if !differs {
					decoded = text
				}
				if got := tok.Decode(ids); got != decoded {
					t.Errorf("Decode of the ids of %q\n got %q\nwant %q", text, got, decoded)
				}
			}
			checkGenerated(t, tok, want.Generated.Encode, want.Generated.Special, want.Generated.Decode)
		})
	}
}

func checkGenerated(t *testing.T, tok *Tokenizer, encode, special, decode string) {
	t.Helper()
	g := readGolden()
	var text, trusted [][]int32
	var decoded []string
	for _, s := range g.generate() {
		text = append(text, tok.Encode(s))
		trusted = append(trusted, tok.EncodeSpecial(s))
		decoded = append(decoded, tok.Decode(trusted[len(trusted)-1]))
	}
	if digestIDs(text) != encode {
		t.Error("Encode differs on generated texts")
	}
	if digestIDs(trusted) != special {
		t.Error("EncodeSpecial differs on generated texts")
	}
	if digestTexts(decoded) != decode {
		t.Error("Decode differs on generated texts")
	}
}

// readTitles returns the titles of a data set in ../shared; it skips the test if that is absent.
func readTitles(t *testing.T, name string) []string {
	t.Helper()
	path := filepath.Join(shared, "data", name, "movies.dat")
	if name == "ml-latest-small" {
		path = filepath.Join(shared, "data", name, "movies.csv")
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("%s is absent: the ids of real titles are not compared", path)
	}
	if err != nil {
		t.Fatal(err)
	}
	var titles []string
	if name == "ml-latest-small" {
		rows, err := csv.NewReader(strings.NewReader(string(data))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows[1:] {
			titles = append(titles, row[1])
		}
		return titles
	}
	text := string(data)
	if name == "ml-1m" { // Latin-1
		runes := make([]rune, len(data))
		for i, b := range data {
			runes[i] = rune(b)
		}
		text = string(runes)
	}
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) != "" {
			titles = append(titles, strings.Split(line, "::")[1])
		}
	}
	return titles
}

func TestGoldenTitles(t *testing.T) {
	for _, set := range []string{"ml-1m", "ml-latest-small", "movietweetings"} {
		t.Run(set, func(t *testing.T) {
			titles := readTitles(t, set)
			for name, golden := range readGolden().Tokenizers {
				want, ok := golden.Titles[set]
				if !ok {
					continue
				}
				t.Run(name, func(t *testing.T) {
					if len(titles) != want.Count {
						t.Fatalf("%d titles, the goldens are of %d", len(titles), want.Count)
					}
					tok := open(t, name)
					ids := make([][]int32, len(titles))
					for i, title := range titles {
						ids[i] = tok.Encode(title)
					}
					for at, sample := range want.Samples {
						i, err := strconv.Atoi(at)
						if err != nil {
							t.Fatal(err)
						}
						if !slices.Equal(ids[i], sample) {
							t.Errorf("title %d (%q)\n got %v\nwant %v", i, titles[i], ids[i], sample)
						}
					}
					if got := digestIDs(ids); got != want.SHA256 {
						t.Errorf("the ids of all titles have the sum %s, want %s", got, want.SHA256)
					}
				})
			}
		})
	}
}

// TestGoldenVariants goes through what tokenizer.json can ask for beyond the families as they are.
func TestGoldenVariants(t *testing.T) {
	var variants map[string]goldenVariant
	mustUnmarshal("variants.json", &variants)
	for name, v := range variants {
		t.Run(name, func(t *testing.T) {
			want, ok := readGolden().Variants[name]
			if !ok {
				t.Fatal("no golden of this variant")
			}
			tok, err := FromJSON(changed(t, v.Base, v.Set))
			if err != nil {
				t.Fatal(err)
			}
			var ids [][]int32
			for _, text := range readGolden().Texts {
				ids = append(ids, tok.Encode(text))
			}
			if digestIDs(ids) != want.Texts {
				t.Error("Encode differs on the hostile texts")
			}
			checkGenerated(t, tok, want.Encode, want.Special, want.Decode)
		})
	}
}

// changed returns a family's tokenizer.json with other values at the paths.
func changed(t *testing.T, base string, set map[string]any) []byte {
	t.Helper()
	var file map[string]any
	mustUnmarshal(base+".tokenizer.json", &file)
	for path, value := range set {
		at := file
		parts := strings.Split(path, ".")
		for _, part := range parts[:len(parts)-1] {
			at = at[part].(map[string]any)
		}
		if value == absent {
			delete(at, parts[len(parts)-1])
		} else {
			at[parts[len(parts)-1]] = value
		}
	}
	data, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// absent as a value removes the key.
var absent any = "\x00absent"

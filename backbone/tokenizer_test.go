package backbone_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lsat/backbone"
)

// tokenizerJSON is a byte-level tokenizer with n single-letter tokens of its own.
func tokenizerJSON(n int) []byte {
	var vocab []string
	for i := range n {
		vocab = append(vocab, fmt.Sprintf(`%q: %d`, string(rune(0x100+i)), i))
	}
	return fmt.Appendf(nil, `{"version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
		"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
		"post_processor": null, "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
		"model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "", "end_of_word_suffix": "",
		"fuse_unk": false, "byte_fallback": false, "vocab": {%s}, "merges": []}}`, strings.Join(vocab, ", "))
}

func TestTokenizerMustFit(t *testing.T) {
	write := func(dir string, text []byte) string {
		if err := os.WriteFile(filepath.Join(dir, "tokenizer.json"), text, 0o644); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	model := func() string { return copyModel(t, files(t, filepath.Join("testdata", "llama"))...) } // 96 rows
	cases := map[string]struct {
		path string
		opts backbone.Options
		says []string
	}{
		"none":        {model(), backbone.Options{}, []string{"tokenizer"}},
		"none in it":  {copyModel(t, filepath.Join("testdata", "llama.gguf")), backbone.Options{}, []string{"tokenizer"}},
		"too large":   {write(model(), tokenizerJSON(97)), backbone.Options{}, []string{"97 ids", "96 rows"}},
		"damaged":     {write(model(), tokenizerJSON(96)[1:]), backbone.Options{}, []string{"tokenizer"}},
		"another one": {write(model(), tokenizerJSON(96)), backbone.Options{TokenizerDir: write(t.TempDir(), tokenizerJSON(120))}, []string{"120 ids", "96 rows"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) { check(t, c.path, c.opts, backbone.ErrTokenizer, c.says) })
	}
}

func TestTokenizerIsAttached(t *testing.T) {
	dir := copyModel(t, files(t, filepath.Join("testdata", "llama"))...)
	if err := os.WriteFile(filepath.Join(dir, "tokenizer.json"), tokenizerJSON(96), 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := backbone.Load(context.Background(), dir, backbone.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	if id, ok := m.Tokenizer.ID("\u0105"); !ok || id != 5 {
		t.Errorf("token 5 has id %d, %v", id, ok)
	}
}

// Every published GGUF file brings its tokenizer along.
func TestSmolLM2HasItsTokenizer(t *testing.T) {
	m := load(t, pulled(t, "smollm2-135m-instruct"))
	yes, ok1 := m.Tokenizer.ID("Yes")
	no, ok2 := m.Tokenizer.ID("No")
	if !ok1 || !ok2 || yes != 10539 || no != 5230 {
		t.Errorf("the answer words are %d and %d", yes, no)
	}
	const text = "Cité des enfants perdus, La (1995)"
	if got := m.Tokenizer.Decode(m.Tokenizer.Encode(text)); got != text {
		t.Errorf("%q comes back as %q", text, got)
	}
	if m.Config.Vocab != 49152 || m.Config.Layers != 30 || m.Config.HeadDim != 64 {
		t.Errorf("configuration %+v", m.Config)
	}
}

package tokenizer

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/gomlx/go-huggingface/models/gguf"
)

// realGGUF finds SmolLM2's GGUF where `lsat pull` puts models; it skips the test if there is none.
func realGGUF(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skip("no user cache directory, so no real GGUF file:", err)
	}
	var found []string
	for _, pattern := range []string{"lsat/*/*/SmolLM2-135M-Instruct*.gguf", "lsat/*/SmolLM2-135M-Instruct*.gguf", "lsat/SmolLM2-135M-Instruct*.gguf"} {
		paths, err := filepath.Glob(filepath.Join(cache, pattern))
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, paths...)
	}
	if len(found) == 0 {
		t.Skip("no SmolLM2-135M-Instruct GGUF in the user cache: pull the model to compare its vocabulary")
	}
	return found[0]
}

func readGGUF(t *testing.T, path string) GGUF {
	t.Helper()
	file, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	text := func(key string) string {
		kv, _ := file.GetKeyValue("tokenizer.ggml." + key)
		return kv.String()
	}
	raw := func(key string) any {
		kv, _ := file.GetKeyValue("tokenizer.ggml." + key)
		return kv.Raw()
	}
	meta := GGUF{Model: text("model"), Pre: text("pre")}
	meta.Tokens, _ = raw("tokens").([]string)
	meta.TokenTypes, _ = raw("token_type").([]int32)
	meta.Merges, _ = raw("merges").([]string)
	meta.Scores, _ = raw("scores").([]float32)
	for key, into := range map[string]**int32{"bos_token_id": &meta.BOS, "eos_token_id": &meta.EOS, "unknown_token_id": &meta.Unknown} {
		if kv, ok := file.GetKeyValue("tokenizer.ggml." + key); ok {
			id := int32(kv.Uint64())
			*into = &id
		}
	}
	if kv, ok := file.GetKeyValue("tokenizer.ggml.add_bos_token"); ok {
		add := kv.Bool()
		meta.AddBOS = &add
	}
	return meta
}

func TestRealGGUFEqualsTokenizerJSON(t *testing.T) {
	tok, err := FromGGUF(readGGUF(t, realGGUF(t)))
	if err != nil {
		t.Fatal(err)
	}
	want := open(t, "smollm2-tokenizer")
	if tok.Hash() != want.Hash() {
		t.Error("the hash differs from that of tokenizer.json")
	}
	texts := append(slices.Clone(readGolden().Texts), readGolden().generate()...)
	for _, set := range []string{"ml-1m", "ml-latest-small", "movietweetings"} {
		texts = append(texts, readTitles(t, set)...)
	}
	compare(t, tok, want, texts)
}

func compare(t *testing.T, got, want *Tokenizer, texts []string) {
	t.Helper()
	for _, text := range texts {
		ids := want.Encode(text)
		if g := got.Encode(text); !slices.Equal(g, ids) {
			t.Fatalf("Encode(%q)\n got %v\nwant %v", text, g, ids)
		}
		if g, w := got.EncodeSpecial(text), want.EncodeSpecial(text); !slices.Equal(g, w) {
			t.Fatalf("EncodeSpecial(%q)\n got %v\nwant %v", text, g, w)
		}
		if g, w := got.Decode(ids), want.Decode(ids); g != w {
			t.Fatalf("Decode(%v)\n got %q\nwant %q", ids, g, w)
		}
	}
}

// asGGUF converts a small tokenizer.json as llama.cpp's converter does.
func asGGUF(t *testing.T, name, pre string) GGUF {
	t.Helper()
	var file fileJSON
	mustUnmarshal(name+".tokenizer.json", &file)
	var model modelJSON
	if err := json.Unmarshal(file.Model, &model); err != nil {
		t.Fatal(err)
	}
	tok := open(t, name)
	meta := GGUF{Model: "gpt2", Pre: pre, Tokens: make([]string, tok.VocabSize()), TokenTypes: make([]int32, tok.VocabSize())}
	for token, id := range tok.ids {
		meta.Tokens[id], meta.TokenTypes[id] = token, typeNormal
	}
	for _, a := range file.AddedTokens {
		meta.TokenTypes[a.ID] = typeUserDefined
		if a.Special {
			meta.TokenTypes[a.ID] = typeControl
		}
	}
	for _, m := range model.Merges {
		meta.Merges = append(meta.Merges, m[0]+" "+m[1])
	}
	return meta
}

func TestGGUFPreTokenizers(t *testing.T) {
	var variants map[string]goldenVariant
	mustUnmarshal("variants.json", &variants)
	for _, c := range []struct{ pre, base, variant string }{
		{"gpt-2", "gpt2", ""},
		{"llama-bpe", "llama3", ""},
		{"qwen2", "qwen2", ""},
		{"smollm", "gpt2", "smollm"},
		{"default", "gpt2", "llama.cpp-default"},
	} {
		t.Run(c.pre, func(t *testing.T) {
			tok, err := FromGGUF(asGGUF(t, c.base, c.pre))
			if err != nil {
				t.Fatal(err)
			}
			want, err := FromJSON(changed(t, c.base, variants[c.variant].Set))
			if err != nil {
				t.Fatal(err)
			}
			compare(t, tok, want, append(slices.Clone(readGolden().Texts), readGolden().generate()...))
		})
	}
}

func TestGGUFSentencePiece(t *testing.T) {
	for _, name := range []string{"sp-llama", "sp-rules", "sp-across"} {
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join("testdata", name+".model"))
			if err != nil {
				t.Fatal(err)
			}
			model, err := parseSentencePiece(data)
			if err != nil {
				t.Fatal(err)
			}
			n := model.normalizer
			meta := GGUF{Model: "llama", AddSpacePrefix: &n.addDummyPrefix, RemoveExtraWhitespace: &n.removeExtraSpaces, PrecompiledCharsmap: n.charsmap}
			for _, p := range model.pieces {
				meta.Tokens = append(meta.Tokens, p.text)
				meta.Scores = append(meta.Scores, p.score)
				meta.TokenTypes = append(meta.TokenTypes, p.kind)
			}
			tok, err := FromGGUF(meta)
			if err != nil {
				t.Fatal(err)
			}
			if bos, add := tok.BOS(); bos != 1 || !add {
				t.Errorf("BOS is %d, %t: sentencepiece's default is 1 on every sequence", bos, add)
			}
			compare(t, tok, open(t, name), append(slices.Clone(readGolden().Texts), readGolden().generate()...))
		})
	}
}

func TestGGUFMarkers(t *testing.T) {
	id := func(v int32) *int32 { return &v }
	yes, no := true, false
	meta := asGGUF(t, "llama3", "llama-bpe")
	begin, _ := open(t, "llama3").ID("<|begin_of_text|>")
	meta.BOS, meta.EOS = id(begin), id(begin+1)
	for _, c := range []struct {
		pre  string
		add  *bool
		want bool
	}{{"llama-bpe", nil, true}, {"llama-bpe", &no, false}, {"qwen2", nil, false}, {"qwen2", &yes, true}} {
		meta.Pre, meta.AddBOS = c.pre, c.add
		tok, err := FromGGUF(meta)
		if err != nil {
			t.Fatal(err)
		}
		if bos, add := tok.BOS(); bos != begin || add != c.want {
			t.Errorf("pre %s: BOS is %d, %t, want %d, %t", c.pre, bos, add, begin, c.want)
		}
		if eos, ok := tok.EOS(); eos != begin+1 || !ok {
			t.Errorf("EOS is %d, %t", eos, ok)
		}
	}
	meta.BOS = id(int32(len(meta.Tokens)))
	if _, err := FromGGUF(meta); !errors.Is(err, ErrMalformed) {
		t.Errorf("a BOS outside of the vocabulary gives %v", err)
	}
}

func TestGGUFFaults(t *testing.T) {
	good := asGGUF(t, "gpt2", "gpt-2")
	for name, c := range map[string]struct {
		damage func(g *GGUF)
		want   error
	}{
		"no tokens":        {func(g *GGUF) { g.Tokens = nil }, ErrMalformed},
		"model":            {func(g *GGUF) { g.Model = "rwkv" }, ErrUnsupported},
		"pre":              {func(g *GGUF) { g.Pre = "unheard-of" }, ErrUnsupported},
		"few token types":  {func(g *GGUF) { g.TokenTypes = g.TokenTypes[1:] }, ErrMalformed},
		"token type":       {func(g *GGUF) { g.TokenTypes = slices.Clone(g.TokenTypes); g.TokenTypes[7] = 99 }, ErrUnsupported},
		"token twice":      {func(g *GGUF) { g.Tokens = slices.Clone(g.Tokens); g.Tokens[7] = g.Tokens[8] }, ErrMalformed},
		"half a merge":     {func(g *GGUF) { g.Merges = []string{"ab"} }, ErrMalformed},
		"unknown merge":    {func(g *GGUF) { g.Merges = []string{"zzzzz yyyyy"} }, ErrMalformed},
		"no scores":        {func(g *GGUF) { g.Model = "llama" }, ErrMalformed},
		"no unknown piece": {func(g *GGUF) { g.Model = "llama"; g.TokenTypes = nil; g.Scores = make([]float32, len(g.Tokens)) }, ErrMalformed},
	} {
		meta := good
		c.damage(&meta)
		if _, err := FromGGUF(meta); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

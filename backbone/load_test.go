package backbone_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"lsat/backbone"
	"lsat/catalog"
)

// families are the tiny models in testdata.
var families = []string{"llama", "llama3", "mistral", "qwen2", "qwen2-yarn", "qwen3", "gemma3"}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func equal(a, b []int32) bool { return slices.Equal(a, b) }

// load loads a model for the length of a test. The tiny models have no tokenizer.
func load(t *testing.T, path string) *backbone.Model {
	t.Helper()
	tiny := filepath.Dir(path) == "testdata"
	m, err := backbone.Load(context.Background(), path, backbone.Options{NoTokenizer: tiny})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// smollm2 finds the model where lsat pull puts it, or skips the test.
func smollm2(t *testing.T) string {
	t.Helper()
	found, err := catalog.Find("smollm2-135m-instruct", "")
	if err != nil {
		t.Skip(err)
	}
	return found.Path
}

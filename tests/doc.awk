# SPDX-License-Identifier: MIT
# The examples of a page: with -v want=c a program of its c blocks, which runs every
# function example_NAME(ppl_ctx *c) in order; with -v want=text what it is to print.
/^```c$/ { block = "c"; next }
/^```text$/ { block = "text"; next }
/^```/ { block = ""; next }
block == want { print }
block == "c" && /^static void example_[a-z_]*\(ppl_ctx \*c\)$/ {
    name = $3
    sub(/\(.*/, "", name)
    example[count++] = name
}
END {
    if (want != "c")
        exit
    print "\nint main(void)\n{"
    for (i = 0; i < count; i++) {
        print "    {\n        ppl_ctx *c = ppl_ctx_new(&(ppl_ctx_opts){ .dtype = PPL_F64 });\n"
        print "        ppl_epoch_begin(c);\n        " example[i] "(c);"
        print "        ppl_ctx_free(c);\n    }"
    }
    print "    return 0;\n}"
}

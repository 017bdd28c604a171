# gradcon::compiled: the templates for float and the shipped layers, compiled once. Include files and flags are those of
# gradcon::gradcon; programs that link it see `extern template` (include/gradcon/compiled).

# gradcon_add_compiled(target [FLAGS flag...]): such a library, built with these flags. Files that link it and are
# compiled for another instruction set instantiate their own templates.
function(gradcon_add_compiled target)
  cmake_parse_arguments(arg "" "" "FLAGS" ${ARGN})
  set(sources kernels training scoring)
  set(libraries gradcon::gradcon)
  if(TARGET gradcon::io)
    list(APPEND sources detector files)
    list(APPEND libraries gradcon::io)
  endif()
  get_target_property(include gradcon::gradcon INTERFACE_INCLUDE_DIRECTORIES)
  string(REGEX MATCH "BUILD_INTERFACE:([^>]*)" matched "${include}")
  if(matched)
    set(include ${CMAKE_MATCH_1})
  endif()
  list(TRANSFORM sources PREPEND ${include}/gradcon/compiled/)
  list(TRANSFORM sources APPEND .cpp)
  add_library(${target} ${sources})
  target_link_libraries(${target} PUBLIC ${libraries})
  target_compile_options(${target} PRIVATE ${arg_FLAGS})

  # What the preprocessor makes of these flags is what core/instruction_set.hpp will see.
  set(probe ${CMAKE_CURRENT_BINARY_DIR}/${target}_instruction_set.cpp)
  file(WRITE ${probe} "#include \"${include}/gradcon/core/instruction_set.hpp\"\ninstruction set: GRADCON_INSTRUCTION_SET\n")
  separate_arguments(flags UNIX_COMMAND "${CMAKE_CXX_FLAGS}")
  execute_process(COMMAND ${CMAKE_CXX_COMPILER} ${flags} ${arg_FLAGS} -std=c++20 -I${include} -E ${probe} OUTPUT_VARIABLE preprocessed
    COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCH "instruction set: ([a-z0-9]+)" matched "${preprocessed}")
  if(NOT matched)
    message(FATAL_ERROR "gradcon::compiled: the compiler does not tell the instruction set of ${arg_FLAGS}")
  endif()
  string(TOUPPER ${CMAKE_MATCH_1} instruction_set)
  target_compile_definitions(${target} INTERFACE GRADCON_COMPILED_FOR_${instruction_set})
endfunction()
